/*
 * Each account with all that is known of it, and what operators may do.
 */

function accountCard(a, s) {
    const told = accountState(a);
    const t = a.totals || {};

    return h("section", { class: "card account", key: a.name },
        h("div", { class: "card-head" },
          h("h2", null, a.name),
          stateBadge(told.state, told.partly && told.state !== "open"
                                 ? "partly " + stateOf(told.state).word
                                 : undefined),
          h("div", { class: "card-side" },
            Object.keys(ACTIONS).filter((name) =>
                name === "enable" ? a.operate !== "enabled"
                : name === "reset" || a.operate === "enabled").map((name) =>
                h("button", { type: "button", class: "small", key: name,
                              "aria-label": ACTIONS[name].word + " " + a.name,
                              onclick: () => confirmAction(a, name) },
                  ACTIONS[name].word)))),
        h("p", { class: "account-says" },
          sentence(a.operate !== "enabled" ? inWords(OPERATES, a.operate)
                                           : stateOf(told.state).means),
          " ", nextWords(told.state, told.back_ms, now())),
        facts([
            ["Provider", [or(a.provider),
                          h("span", { class: "soft" }, " " + or(a.host))]],
            ["Pays", or(a.owner)],
            ["Under way", count(a.inflight)],
            ["Attempts", [count(t.requests),
                          h("span", { class: "soft" }, " " + count(t.error)
                                                       + " failed")]],
            ["Time, median / p99", percentiles(t.latency_ms)],
            ["First token, median / p99", percentiles(t.first_token_ms)],
            ["Cost", money(t.cost_nanousd)],
            ["Share now", or(a.percent) + " %"],
            a.check ? ["Active check", "every " + span(a.check.interval_ms)
                       + ", last " + inWords(VERDICTS, a.check.verdict)]
                    : null,
        ]),
        (a.limits || []).map(limitBar),
        (a.models || []).length ? cells(a)
                                : empty("No request has gone there yet."));
}


const CELL_COLUMNS = [["Model", ""], ["Endpoint", ""], ["State", ""],
    ["Breaker", ""], ["Answers in its window", ""], ["Time", "num"],
    ["First token", "num"], ["Tokens a second", "num"], ["Share", "num"]];

function cells(a) {
    const rows = (a.models || []).slice(0, 50).flatMap((m) =>
        (m.cells || []).length
        ? m.cells.map((c) => cellRow(a, m, c))
        : [row(m.model, CELL_COLUMNS, [
              m.model, DASH, [stateBadge(m.state), " ", causeWords(m)],
              DASH, DASH, DASH, DASH, DASH, or(m.percent) + " %"])]);

    return table("Models of " + a.name, CELL_COLUMNS, rows.slice(0, 100),
                 { class: "cells" });
}


function causeWords(p) {
    return p.state === "open" ? null
           : h("span", { class: "soft" },
               p.cause ? sentence(inWords(VERDICTS, p.cause)) + " " : "",
               nextWords(p.state, p.back_ms, now()));
}


function cellRow(a, m, c) {
    const b = c.breaker || {}, w = b.window || {};
    const p = worst([m, c]);
    const reason = b.state !== "closed" && b.reason
                   ? inWords(BREAKER_REASONS, b.reason) : null;

    return row([m.model, c.endpoint, c.stream].join("\n"), CELL_COLUMNS, [
        [m.model, known(m.headroom)
                  ? h("span", { class: "soft" }, " " + m.headroom
                                                 + " % left") : null],
        or(c.endpoint) + (c.stream ? ", streamed" : ""),
        [stateBadge(p.state), " ", causeWords(p)],
        [h("span", { title: inWords(BREAKERS, b.state) },
           or(b.state).replace("_", " ")),
         h("span", { class: "soft" },
           b.state === "closed"
           ? (b.openings ? ", opened " + plural(b.openings, "time") : "")
           : " for " + span(now() - b.since_ms)
             + (reason ? ": " + reason : ""))],
        [count(w.ok) + " ok, " + count(w.failed) + " failed",
         w.slow ? ", " + count(w.slow) + " slow" : "",
         b.consecutive ? h("span", { class: "soft" }, ", " + b.consecutive
                                                      + " in a row") : null],
        percentiles(c.latency_ms), percentiles(c.first_token_ms),
        rate(c.tokens_per_s), or(p.percent) + " %",
    ]);
}


/* asks before it does anything */

function confirmAction(a, name) {
    const action = ACTIONS[name];

    confirmDialog({
        title: action.word + " " + a.name + "?",
        words: [action.means,
                name === "drain" || name === "disable"
                ? plural(a.inflight || 0, "request runs", "requests run")
                  + " there now." : null],
        go: action.word,
        act: async () => {
            await command("POST", "accounts/" + encodeURIComponent(a.name)
                                  + "/" + name);
            say(a.name + " " + action.done + ".");
            pollSoon();
        },
    });
}


function confirmGate(c, act) {
    confirmDialog({
        title: (act === "open" ? "Open" : "Close") + " the gate of " + c.name
               + "?",
        words: [act === "open"
                ? "Requests of this class may then be answered by backup "
                  + "models when their own fails, until you close it."
                : "Requests of this class then fail rather than being "
                  + "answered by a backup model."],
        go: act === "open" ? "Open" : "Close",
        act: async () => {
            await command("POST", "classes/" + encodeURIComponent(c.name)
                                  + "/" + act);
            say("The gate of " + c.name + " is "
                + (act === "open" ? "open" : "closed") + ".");
            pollSoon();
        },
    });
}


function accounts(s) {
    return [
        pageHead("Accounts", "Whom the gateway may ask, and what it knows of "
                 + "each. A breaker is kept for each model, endpoint and "
                 + "mode; it opens when failures pile up and lets single "
                 + "probes through until one succeeds."),
        glossary(),
        (s.accounts || []).map((a) => accountCard(a, s)),
        (s.accounts || []).length ? null
                                  : empty("No accounts are configured."),
    ];
}


function glossary() {
    return h("details", { class: "card glossary" },
        h("summary", null, "What the states mean"),
        h("dl", null, Object.keys(STATES).map((name) =>
            h("div", null, h("dt", null, stateBadge(name)),
              h("dd", null, sentence(STATES[name].means))))));
}


function pageHead(title, words) {
    return h("div", { class: "page-head" }, h("h1", null, title),
             h("p", { class: "soft" }, words));
}
