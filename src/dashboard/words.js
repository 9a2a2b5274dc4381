/*
 * What the gateway's own names mean, for someone who meets them at night.
 * A state's level decides its colour; its glyph and its word say the same.
 */

const LEVELS = ["ok", "info", "warn", "bad"];

const STATES = {
    open: { level: "ok", word: "healthy",
            means: "takes requests" },
    probing: { level: "info", word: "probing",
               means: "a single request is trying whether it is back" },
    cooling: { level: "warn", word: "cooling",
               means: "left alone for a while, after a failure that says so" },
    closed: { level: "bad", word: "closed",
              means: "closed: credential, money or account is at fault; a "
                     + "single probe tries it again" },
    tripped: { level: "bad", word: "tripped",
               means: "its breaker is open: failures piled up, so nothing is "
                      + "sent there until a probe succeeds" },
    limited: { level: "warn", word: "at its limit",
               means: "a limit that this gateway keeps is used up" },
    stopped: { level: "info", word: "stopped",
               means: "an operator keeps requests away from it" },
};

const BREAKERS = {
    closed: "closed: requests pass",
    open: "open: nothing passes until the next probe",
    half_open: "half open: probes alone pass",
    ramping: "ramping: its share grows back step by step",
};

const BREAKER_REASONS = {
    consecutive: "too many failures in a row",
    rate: "too large a part of its answers failed",
    slow_rate: "too many of its answers were slow",
    probe: "a probe failed",
    ramp: "it failed again while its share was growing back",
};

const OPERATES = {
    enabled: "",
    draining: "drained by an operator: what runs is finished, nothing new",
    disabled: "disabled by an operator: nothing new goes there",
};

const VERDICTS = {
    ok: "answered well",
    rate_limit: "over its rate limit per minute",
    rate_limit_day: "over its rate limit per day",
    overloaded: "the provider has no capacity",
    slow_down: "the provider asks for slower growth",
    quota_exhausted: "its money or budget is spent",
    auth: "its credential was refused",
    account_disabled: "the account is suspended",
    permission: "it may not do this, or not in this region",
    model_not_found: "it does not have the model",
    context_length: "the prompt is too long",
    request_too_large: "the request is too large for it",
    content_filter: "the content was refused",
    invalid_request: "the request is wrong",
    generation_failed: "it rejected what its model wrote",
    output_limit: "the output limit was reached",
    server_error: "server error, or a broken answer",
    connect: "it could not be connected to",
    reset: "it broke off before the answer could pass",
    timeout: "no answer in time",
    empty: "a success without content",
    conflict: "a conflict with another request",
    client_closed: "the client left",
};

const OUTCOMES = {
    ok: { level: "ok", word: "ok", means: "got a complete answer" },
    error: { level: "bad", word: "error", means: "got an error" },
    cut: { level: "bad", word: "cut",
           means: "got the beginning of an answer that broke off" },
    stalled: { level: "bad", word: "stalled",
               means: "got an answer that fell silent" },
    client_gone: { level: "info", word: "client left",
                   means: "left before the end" },
    rejected: { level: "warn", word: "rejected",
                means: "was refused before anything was tried" },
};

const FALLBACKS = {
    none: "the first choice",
    retry: "the same target once more",
    account: "another account of the provider",
    provider: "another provider",
    backup: "a backup model",
};

const WHYS = {
    first: "the first choice",
    account: "another account of the same provider",
    provider: "another provider with the same model",
    same: "the same target once more",
    backup: "an approved backup model",
    probe: "as a probe whether it is back",
};

const REASONS = {
    endpoint: "does not speak this endpoint",
    class: "the class may not use it",
    pinned: "another account keeps what the request names",
    request: "the request itself excludes it",
    cost: "costs more than is allowed",
    cooling: "is cooling",
    closed: "is closed",
    tripped: "its breaker is open",
    limited: "is at its limit",
    stopped: "an operator has stopped it",
    tried: "was tried already",
};

/* reasons that mean: the account was not well, not: it never fitted */
const AVOIDED = new Set(["cooling", "closed", "tripped", "stopped"]);

const EVENTS = {
    opened: { level: "bad", word: "breaker opened" },
    reopened: { level: "bad", word: "breaker opened again" },
    recovered: { level: "ok", word: "recovered" },
    cooling: { level: "warn", word: "cooling" },
    closed: { level: "bad", word: "closed" },
    drain: { level: "info", word: "drained by an operator" },
    disable: { level: "info", word: "disabled by an operator" },
    enable: { level: "ok", word: "enabled by an operator" },
    reset: { level: "info", word: "reset by an operator" },
    open: { level: "info", word: "gate opened by an operator" },
    close: { level: "info", word: "gate closed by an operator" },
    fault_started: { level: "drill", word: "drill began" },
    fault_ended: { level: "drill", word: "drill ended" },
    loaded: { level: "info", word: "configuration loaded" },
};

const FAULTS = {
    status: "answers with an error status",
    timeout: "never answers",
    reset: "breaks the connection",
    slow_first_token: "is slow to begin",
    stall: "falls silent in the middle",
    cut: "breaks off in the middle",
    bad_credential: "refuses the credential",
    exhausted_quota: "says that the money is spent",
};

const ACTIONS = {
    drain: { word: "Drain", done: "is drained",
             means: "No new requests go to it; those that run are finished. "
                    + "Others take over where a route has any." },
    disable: { word: "Disable", done: "is disabled",
               means: "The same as draining, under another name for your own "
                      + "record: it is out until you enable it." },
    enable: { word: "Enable", done: "is enabled",
              means: "Ends what draining or disabling began. Breakers and "
                     + "cooldowns stay as they are." },
    reset: { word: "Reset", done: "is reset",
             means: "Forgets all its cooldowns and closures and closes its "
                    + "breakers: the next requests go there at once, whether "
                    + "it is well or not." },
};

const PER = { second: "a second", minute: "a minute", hour: "an hour",
              day: "a day", week: "a week", month: "a month",
              total: "in total" };


const stateOf = (name) => STATES[name] || { level: "info", word: or(name),
                                            means: "" };
const inWords = (table, name) => table[name] || or(name);


/* "503s" where a status is known, else what the verdict means */

function failureWords(verdict, status) {
    if (known(status) && status >= 400) {
        return "it answers " + status + " (" + or(verdict) + ")";
    }
    return known(verdict) ? inWords(VERDICTS, verdict) : "";
}


/* what will happen next at a place that is not used now */

function nextWords(state, back, now) {
    const wait = known(back) ? back - now : null;
    const at = !known(wait) ? "" : wait <= 500 ? "with the next request"
                                               : "in " + span(wait);
    switch (state) {

    case "tripped":
    case "closed":
        return at ? "The next probe is sent " + at + "." : "";

    case "cooling":
        return at ? "It may be used again " + at + "." : "";

    case "probing":
        return "A probe is under way.";

    case "limited":
        return at ? "There is room again " + at + "." : "";

    case "stopped":
        return "It stays so until an operator enables it.";
    }

    return "";
}
