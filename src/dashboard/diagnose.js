/*
 * From the state of everything to sentences: what is broken, since when, what
 * the gateway did about it, and what comes next.
 */

/*
 * A model at an account is judged by the worst of what is known of it: the
 * account as a whole, the model there, its cells (an endpoint, streamed or
 * not).
 */

function modelPlaces(account, model) {
    return [{ ...account, breaker: null, cell: null },
            { ...model, breaker: null, cell: null },
            ...(model.cells || []).map((cell) => ({ ...cell, cell }))];
}


function worst(places) {
    const level = (p) => LEVELS.indexOf(stateOf(p.state).level);

    return places.reduce((a, b) => level(b) > level(a) ? b : a);
}


function modelState(account, model) {
    return worst(modelPlaces(account, model));
}


/* a name that never answered there may be a client's slip */

function stranger(model, place) {
    return place.cause === "model_not_found"
           && !(model.cells || []).some((c) => c.latency_ms
                                               && c.latency_ms.count);
}


/* the account in one word: its own state, or that of what it serves */

function accountState(account) {
    const models = (account.models || [])
                   .map((model) => ({ model, place: modelState(account, model)
                                    }))
                   .filter((m) => !stranger(m.model, m.place));
    const sick = models.filter((m) => m.place.state !== "open");

    if (account.operate !== "enabled") {
        return { ...account, state: "stopped", partly: false, sick };
    }
    if (account.state !== "open") {
        return { ...account, cell: null, partly: false, sick };
    }
    if (sick.length === 0) {
        return { ...account, cell: null, partly: false, sick };
    }

    const place = worst(sick.map((m) => m.place));

    return { ...place, partly: sick.length < models.length, sick };
}


const tripped = (place) => Boolean(place.cell && place.cell.breaker
                                   && place.cell.breaker.state !== "closed");


/* the event with which it began, if that is remembered */

function beginning(account, place, events) {
    const own = events.filter((e) => e.account === account.name);

    if (tripped(place)) {
        const recovered = own.find((e) => e.what === "recovered");

        return own.filter((e) => ["opened", "reopened"].includes(e.what)
                                 && (!recovered || e.at_ms > recovered.at_ms))
                  .pop();
    }

    return own.find((e) => ["opened", "cooling", "closed", "drain",
                            "disable"].includes(e.what));
}


/*
 * What became of the requests that the account would have got, and what it did
 * to the last that failed there.  One that opened the breaker may have ended a
 * moment before that is said to have happened.
 */

const OPENING_MS = 1000;

function rerouted(account, from, recent) {
    const result = { saved: 0, lost: 0, by: new Map(), status: null,
                     cause: null };

    for (const r of recent) {
        const failed = (r.tries || []).filter((t) => t.account === account
                                                     && t.verdict !== "ok");
        const avoided = (r.excluded || []).some((x) => x.account === account
                                                && AVOIDED.has(x.reason));

        const ended = r.ts_ms + (r.latency_ms || 0);
        const last = failed[failed.length - 1];

        if (last && result.cause === null && ended >= from - OPENING_MS
            && last.verdict !== "client_closed")
        {
            result.cause = last.verdict;
            result.status = last.status;
        }
        if (ended < from || !failed.length && !avoided
            || r.account === account && r.outcome === "ok")
        {
            continue;
        }

        if (r.outcome === "ok") {
            result.saved++;
            result.by.set(r.account, (result.by.get(r.account) || 0) + 1);

        } else if (["error", "cut", "stalled"].includes(r.outcome)) {
            result.lost++;
        }
    }

    return result;
}


function reroutedWords(r, atLeast) {
    if (r.saved + r.lost === 0) {
        return "No request has needed it since.";
    }

    const by = [...r.by].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    const whom = by.length > 2 ? by[0] + ", " + by[1] + " and others"
                               : by.join(" and ");

    return (r.saved ? (atLeast ? "At least " : "")
                      + plural(r.saved, "request was", "requests were")
                      + " served by " + whom + " instead, "
                    : "None of its requests could be served elsewhere, ")
           + (r.lost ? count(r.lost) + " lost." : "0 lost.");
}


function sickWords(place) {
    const names = place.sick.map((m) => m.model.model);

    return names.length > 2
           ? names.slice(0, 2).join(", ") + " and " + (names.length - 2)
             + " more"
           : names.join(" and ");
}


function accountProblem(account, s, recent) {
    const place = accountState(account);

    if (place.state === "open") {
        return null;
    }

    const now = s.now_ms;
    const first = beginning(account, place, s.events || []);
    const from = first ? first.at_ms
               : tripped(place) ? place.cell.breaker.since_ms : null;
    const r = rerouted(account.name, from ?? now - 300000, recent.list);
    const told = stateOf(place.state);
    const long = known(from) ? " since " + span(now - from) : "";
    const operator = place.state === "stopped";
    const what = place.state === "limited" ? "at its limit"
               : place.state === "cooling" ? "left alone"
               : place.state === "probing" ? "being probed"
               : operator ? (account.operate === "draining" ? "drained"
                                                            : "disabled")
               : "down";
    const why = failureWords(r.cause ?? (tripped(place) ? first?.detail : null)
                             ?? place.cause, r.status);

    return {
        account: account.name,
        level: r.lost ? "bad" : operator ? "info"
               : told.level === "bad" ? "warn" : told.level,
        lost: r.lost, saved: r.saved,
        title: account.name + (place.partly ? " (" + sickWords(place) + ")"
                                            : "")
               + " is " + what + long + (why && !operator ? ": " + why : ""),
        state: place.state,
        means: operator ? inWords(OPERATES, account.operate) : told.means,
        did: reroutedWords(r, recent.oldest > (from ?? 0)),
        next: nextWords(place.state, place.back_ms, now),
    };
}


/* the count never goes back: what was dropped long ago is no news */

const DROPS_MS = 600000;

function sinkProblem(s) {
    const sink = s.sink || {};
    const drops = known(state.drops.at_ms)
                  && s.now_ms - state.drops.at_ms < DROPS_MS;

    if (sink.healthy !== false && !drops) {
        return null;
    }

    const kept = known(sink.spool_bytes);

    return {
        level: drops ? "bad" : "warn",
        title: sink.healthy === false
               ? "usage records do not get through: "
                 + plural(sink.lag || 0, "record waits", "records wait")
               : plural(sink.dropped, "usage record was", "usage records were")
                 + " dropped",
        means: "requests are served all the same; only their records are late",
        did: (kept ? "They are kept on disk, " + bytes(sink.spool_bytes)
                     + " of " + bytes(sink.spool_max_bytes) + ". "
                   : "They wait in memory. ")
             + count(sink.dropped || 0) + " dropped.",
        next: sink.healthy === false ? "They are sent when the sink answers."
                                     : "",
    };
}


/* conditions of the gateway itself: [is it so, what to say] */

function ownProblems(s) {
    const queue = s.queue || {};
    const retry = s.retry_budget || {};
    const zone = s.zone || {};

    return [
        [retry.exhausted, {
            level: "warn", title: "the retry budget is used up",
            means: "retries may be " + or(retry.percent) + " % of requests, "
                   + "so that a failing provider is not asked twice as much",
            did: plural(retry.retries || 0, "retry", "retries") + " for "
                 + plural(retry.requests || 0, "request") + " in the last "
                 + span((retry.window_s || 0) * 1000) + ".",
            next: "Further failures are told to clients at once." }],
        [queue.parked > 0, {
            level: "info",
            title: plural(queue.parked, "request waits", "requests wait")
                   + " in the queue",
            means: "every account that could serve them is busy or left alone",
            did: count(queue.parked) + " of " + count(queue.slots)
                 + " places are taken.",
            next: "" }],
        [zone.full, {
            level: "bad", title: "the shared memory is full",
            means: "something had to be refused in the last second",
            did: bytes(zone.used_bytes) + " of " + bytes(zone.room_bytes)
                 + " are used.",
            next: "Make the size in ai_zone larger." }],
    ].filter(([is]) => is).map(([, problem]) => problem);
}


function drillProblems(s) {
    return (s.faults || []).filter((f) => f.active).map((f) => ({
        level: "drill",
        title: "a drill runs: " + f.account + " "
               + inWords(FAULTS, f.fault)
               + (f.fault === "status" ? " (" + f.status + ")" : ""),
        means: "the fault is made here, on purpose; no provider is asked",
        did: f.hit ? plural(f.hit, "request") + " met it, "
                     + count(f.saved) + " saved, " + count(f.lost) + " lost."
                   : "No request has met it yet.",
        next: "It ends by itself in " + span(f.ends_ms - s.now_ms) + ".",
    }));
}


/* names of accounts stay as they are */
const upper = (words) => /^(a|the|usage|\d+) /.test(words)
                         ? words[0].toUpperCase() + words.slice(1) : words;

const ORDER = ["bad", "warn", "drill", "info", "ok"];

function diagnose(s, recent, history) {
    const accounts = s.accounts || [];
    const problems = [
        ...accounts.map((a) => accountProblem(a, s, recent)),
        sinkProblem(s), ...ownProblems(s), ...drillProblems(s),
    ].filter(Boolean)
     .sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));

    const last = tally(history, s.now_ms - 300000);
    const bad = problems.find((p) => p.level === "bad");
    const broken = problems.filter((p) => p.account && p.state !== "stopped");
    const failed = last.error + last.cut + last.stalled;

    if (problems.length === 0 && failed) {
        problems.push({
            level: "warn",
            title: plural(failed, "request") + " failed in the last 5 minutes",
            means: "no account is known to be ill; the requests' trails say "
                   + "what happened",
            did: count(last.saved) + " others were saved by a fallback.",
            next: "" });
    }

    return {
        level: problems.length ? problems[0].level : "ok",
        label: bad ? (bad.account ? "Clients see errors" : "Needs attention")
               : broken.length ? "Handled: clients are served" : "Working",
        headline: problems.length ? upper(problems[0].title)
                  : accounts.length === 0 ? "No accounts are configured"
                  : "All accounts healthy",
        problems, last,
    };
}


/* sums over the points of the history since a moment */

function tally(history, from) {
    const all = { requests: 0, ok: 0, error: 0, cut: 0, stalled: 0,
                  client_gone: 0, rejected: 0, fallbacks: 0, saved: 0,
                  input_tokens: 0, output_tokens: 0, cost_nanousd: 0,
                  latency_sum_ms: 0, first_token_sum_ms: 0,
                  first_token_count: 0 };

    for (const p of history) {
        if (p.at_ms < from) {
            continue;
        }
        for (const field of Object.keys(all)) {
            all[field] += p[field] || 0;
        }
    }

    return all;
}
