/*
 * The first page: what is broken, what was done about it, and the last hour.
 */

function verdict(d) {
    return h("section", { class: "verdict verdict-" + d.level,
                          "aria-label": "State of the gateway" },
        h("div", { class: "verdict-head" },
          glyph(d.level),
          h("div", null,
            h("p", { class: "verdict-label" }, d.label),
            h("h1", null, d.headline))),
        d.problems.length
        ? h("ul", { class: "problems" }, d.problems.slice(0, 12).map(problem))
        : null,
        h("p", { class: "verdict-last" }, lastWords(d)));
}


function problem(p, i) {
    return h("li", { key: p.title.replace(/\d+/g, "") + i,
                     class: "problem" + (i ? "" : " problem-first") },
        glyph(p.level),
        h("div", null,
          /* the first one is the headline already */
          i ? h("p", { class: "problem-title" }, p.title) : null,
          h("p", { class: "problem-did" }, p.did,
            p.next ? [" ", h("span", { class: "problem-next" }, p.next)]
                   : null),
          h("p", { class: "soft" }, known(p.state)
            ? [h("b", null, sentence(stateOf(p.state).word)), " ",
               sentence(p.means)]
            : sentence(p.means)),
          p.account ? h("p", { class: "problem-links" },
            h("a", { href: "#/accounts" }, "Account"),
            h("a", { href: "#/requests?" + new URLSearchParams({
                                               account: p.account }) },
              "Its requests")) : null));
}


function lastWords(d) {
    const t = d.last;

    if (state.history.length === 0) {
        return "No request has ended in the last hour.";
    }
    if (t.requests === 0) {
        return "No requests in the last 5 minutes.";
    }

    const failed = t.error + t.cut + t.stalled;

    return "Last 5 minutes: " + plural(t.requests, "request") + ", "
           + (failed ? plural(failed, "failed", "failed") : "none failed")
           + (t.saved ? ", " + count(t.saved) + " saved by a fallback" : "")
           + (t.rejected ? ", " + count(t.rejected) + " refused" : "") + ".";
}


function figure(name, value, more) {
    return h("div", { class: "figure" },
        h("span", { class: "figure-name" }, name),
        h("span", { class: "figure-value" }, value),
        h("span", { class: "figure-more" }, more));
}


/* the newest percentiles that there are */

function lastPoint(history, field) {
    const p = history.filter((x) => known(x[field])).pop();

    return p ? p[field] : null;
}


function figures(s, d) {
    const t = d.last;
    const span_s = Math.max(10, Math.min(300, s.uptime_s || 300));
    const answered = t.requests - t.client_gone - t.rejected;
    const retry = s.retry_budget || {};
    const total = s.totals || {};
    const first = total.first_token_ms || {};

    return h("section", { class: "figures", "aria-label": "Key figures" },
        figure("Requests a second", rate(t.requests / span_s),
               count(s.inflight) + " under way"),
        figure("Answered well", percent(t.ok, answered),
               count(t.error + t.cut + t.stalled) + " failed"),
        figure("By a fallback", percent(t.fallbacks, t.requests),
               count(t.saved) + " saved"),
        figure("Time, median", ms(lastPoint(state.history,
                                            "latency_p50_ms")),
               "p99 " + ms(lastPoint(state.history, "latency_p99_ms"))),
        figure("First token, median", ms(first.p50),
               "p90 " + ms(first.p90) + ", p99 " + ms(first.p99)),
        figure("Cost an hour",
               t.cost_nanousd || t.requests && (s.prices || {}).known
               ? money(t.cost_nanousd * 3600 / span_s) : DASH,
               count(t.input_tokens + t.output_tokens) + " tokens in 5 min"),
        figure("Retries", count(retry.retries),
               "of " + or(retry.percent) + " % allowed"));
}


const HISTORY_FIELDS = ["requests", "ok", "error", "cut", "stalled", "saved",
    "client_gone", "rejected", "latency_p50_ms", "latency_p99_ms",
    "first_token_sum_ms", "first_token_count"];

const failedOf = (p) => p.error + p.cut + p.stalled;


function eventMarks(s) {
    return (s.events || []).map((e) => ({
        at_ms: e.at_ms, level: (EVENTS[e.what] || {}).level || "info",
        words: clock(e.at_ms) + " " + or(e.account) + ": "
               + ((EVENTS[e.what] || {}).word || e.what),
    })).filter((m) => m.level === "bad" || m.level === "drill"
                      || m.level === "ok");
}


function trafficChart(s) {
    const points = steps(state.history, HISTORY_FIELDS, 30000, s.now_ms);
    const t = tally(state.history, s.now_ms - HOUR_MS);
    const failed = t.error + t.cut + t.stalled;

    return chart({
        id: "traffic", title: "Requests", points, tall: 130,
        columns: [
            { name: "first choice", class: "ok",
              value: (p) => Math.max(0, p.requests - p.saved - failedOf(p)) },
            { name: "saved by a fallback", class: "saved", hatched: true,
              value: (p) => p.saved },
            { name: "failed", class: "failed", hatched: true,
              value: failedOf },
        ],
        unit: (v) => rate(v / 30) + " /s",
        marks: eventMarks(s),
        summary: plural(t.requests, "request") + " in the last hour, "
                 + count(t.saved) + " saved, " + count(failed) + " failed.",
        says: (p) => plural(p.requests, "request") + " in 30 s, "
                     + count(p.saved) + " saved by a fallback, "
                     + count(failedOf(p)) + " failed, "
                     + count(p.client_gone) + " left, "
                     + count(p.rejected) + " refused",
    });
}


function latencyChart(s) {
    const points = steps(state.history, HISTORY_FIELDS, 30000, s.now_ms);
    const of = (field) => (p) => p.known && p[field] ? p[field] : null;
    const first = (p) => p.first_token_count
                         ? p.first_token_sum_ms / p.first_token_count : null;
    const t = (s.totals || {}).latency_ms || {};

    return chart({
        id: "latency", title: "Time to answer", points, tall: 90,
        lines: [
            { name: "median", class: "p50", value: of("latency_p50_ms") },
            { name: "p99", class: "p99", value: of("latency_p99_ms") },
            { name: "first token, mean", class: "first", value: first },
        ],
        unit: ms, marks: [],
        summary: "Since the start: median " + ms(t.p50) + ", p90 "
                 + ms(t.p90) + ", p99 " + ms(t.p99) + ".",
        says: (p) => "median " + ms(of("latency_p50_ms")(p)) + ", p99 "
                     + ms(of("latency_p99_ms")(p)) + ", first token "
                     + ms(first(p)),
    });
}


function accountLine(lane, s, share) {
    const a = lane.account;
    const told = accountState(a);
    const wait = nextWords(told.state, told.back_ms, now());

    return h("div", { class: "lane", key: a.name },
        h("div", { class: "lane-name" },
          h("b", null, a.name),
          h("span", { class: "soft" }, " " + or(a.provider))),
        h("div", { class: "lane-state" },
          stateBadge(told.state, told.state !== "open" && told.partly
                                 ? "partly " + stateOf(told.state).word
                                 : undefined),
          told.percent < 100 && told.state === "open"
          ? h("span", { class: "soft" }, told.percent + " % of its share")
          : null),
        h("svg", { class: "lane-time", viewBox: "0 0 " + WIDE + " 16",
                   preserveAspectRatio: "none", role: "img",
                   "aria-label": lane.bars.length
                       ? "breakers open " + lane.bars.length
                         + " times in the last hour"
                       : "no breaker opened in the last hour" },
          h("rect", { class: "lane-ok", x: 0, y: 6, width: WIDE, height: 4 }),
          lane.bars.map(([x, width, long]) =>
              h("rect", { class: "lane-bad", x: x.toFixed(1), y: 1,
                          width: width.toFixed(1), height: 14 },
                h("title", null, "open for " + span(long)))),
          lane.ticks.map((e) =>
              h("rect", { class: "lane-tick lane-tick-"
                                 + ((EVENTS[e.what] || {}).level || "info"),
                          x: e.x.toFixed(1), y: 2, width: 2, height: 12 },
                h("title", null, clock(e.at_ms) + " "
                                 + ((EVENTS[e.what] || {}).word || e.what)))
          )),
        h("div", { class: "lane-share" },
          h("span", null, percent(share(a.name), share.all)),
          h("span", { class: "soft" }, count(a.inflight) + " now")),
        wait && told.state !== "open"
        ? h("div", { class: "lane-next soft" }, wait) : null);
}


/* who served the requests that are remembered */

function shares(list) {
    const by = new Map();

    for (const r of list) {
        if (r.account && r.outcome === "ok") {
            by.set(r.account, (by.get(r.account) || 0) + 1);
        }
    }

    const share = (name) => by.get(name) || 0;

    share.all = [...by.values()].reduce((a, b) => a + b, 0);
    return share;
}


function accountLanes(s) {
    const share = shares(state.recent.list);

    return card("Accounts", h("span", { class: "soft" },
                              "breakers in the last hour \u00b7 share of "
                              + count(share.all) + " recent answers"),
        (s.accounts || []).length
        ? h("div", { class: "lanes" },
            lanes(s).map((lane) => accountLine(lane, s, share)))
        : empty("No accounts are configured."));
}


function eventLine(e, i) {
    const told = EVENTS[e.what] || { level: "info", word: e.what };
    const detail = e.detail && (VERDICTS[e.detail]
                                || BREAKER_REASONS[e.detail] || e.detail);

    return h("li", { key: e.at_ms + " " + i },
        h("time", null, clock(e.at_ms)),
        glyph(told.level),
        h("span", null,
          e.account ? [h("b", null, e.account), " "] : null,
          told.word,
          place(e) ? h("span", { class: "soft" }, " " + place(e)) : null,
          detail ? h("span", { class: "soft" }, ": " + detail) : null));
}


function events(s) {
    const list = (s.events || []).slice(0, 64);

    return card("What happened", h("span", { class: "soft" },
                                   "the newest first"),
        list.length ? h("ol", { class: "events", tabindex: "0",
                                "aria-label": "Events" },
                        list.map(eventLine))
                    : empty("Nothing since the start."));
}


function routes(s) {
    const list = state.recent.list;

    return card("Who serves what", h("span", { class: "soft" },
                                     "share of recent answers"),
        h("div", { class: "routes" }, (s.routes || []).slice(0, 50).map((r) =>
            routeLine(r, list.filter((x) => x.route === r.name)))),
        (s.routes || []).length ? null : empty("No routes are configured."));
}


function routeLine(route, requests) {
    const share = shares(requests);
    const tiers = new Map();

    for (const t of route.targets || []) {
        tiers.set(t.tier, [...tiers.get(t.tier) || [], t]);
    }

    return h("div", { class: "route", key: route.name },
        h("div", { class: "route-name" },
          h("b", null, (route.patterns || [route.name]).join(", ")),
          h("span", { class: "soft" }, " " + or(route.balance)),
          (route.backups || []).length
          ? h("span", { class: "soft" }, ", backup "
                                         + route.backups.join(", ")) : null),
        [...tiers].map(([tier, targets]) =>
            h("div", { class: "tier", key: tier },
              h("span", { class: "soft" }, tiers.size > 1 ? "tier " + tier
                                                          : ""),
              h("div", null, targets.map((t) =>
                  targetLine(t, share, targets))))));
}


function targetLine(t, share, targets) {
    const part = share.all ? share(t.account) / share.all : null;
    const weights = sum(targets, "weight");

    return h("div", { class: "target" },
        h("span", null, t.account,
          t.model ? h("span", { class: "soft" }, " as " + t.model) : null),
        bar(part, "share", t.account + ": " + percent(part, 1)),
        h("span", { class: "num" }, percent(part, 1)),
        h("span", { class: "soft" },
          targets.length > 1 ? "wants " + percent(t.weight, weights) : ""));
}


function innerLife(s) {
    const queue = s.queue || {}, sink = s.sink || {}, zone = s.zone || {};
    const retry = s.retry_budget || {}, prices = s.prices || {};

    return card("Inside the gateway", null, facts([
        ["Queue", [bar((queue.parked || 0) / (queue.slots || 1),
                       queue.parked ? "warn" : "ok", "queue"),
                   queue.parked ? plural(queue.parked, "request waits",
                                         "requests wait")
                                  + " for an account"
                                : "nobody waits"]],
        ["Usage records",
         [badge(sink.healthy === false || sink.dropped ? "bad" : "ok",
                or(sink.type) + (sink.stream ? " " + sink.stream : "")),
          sink.type === "off" ? " no records are written"
          : " " + count(sink.delivered) + " delivered, " + count(sink.lag)
            + " wait, " + count(sink.dropped) + " dropped"
            + (known(sink.connections)
               ? "; " + or(sink.connected) + " of " + sink.connections
                 + " connections" : "")]],
        known(sink.spool_bytes)
        ? ["Spool on disk", [bar(sink.spool_bytes / (sink.spool_max_bytes
                                                     || 1),
                                 "ok", "spool"),
                             bytes(sink.spool_bytes) + " of "
                             + bytes(sink.spool_max_bytes) + ", "
                             + count(sink.replayed) + " replayed"
                             + (sink.damaged ? ", " + count(sink.damaged)
                                + " places were damaged" : "")]] : null,
        ["Retry budget",
         [badge(retry.exhausted ? "warn" : "ok",
                retry.exhausted ? "used up" : "there is room"),
          " " + count(retry.retries) + " of " + count(retry.requests)
          + " requests in " + span((retry.window_s || 0) * 1000)
          + " were retries; up to " + or(retry.percent) + " %"]],
        ["Shared memory",
         [bar((zone.used_bytes || 0) / (zone.room_bytes || 1),
              zone.full ? "bad" : "ok", "shared memory"),
          bytes(zone.used_bytes) + " of " + bytes(zone.room_bytes)]],
        ["Prices", prices.known
                   ? prices.missing ? count(prices.missing)
                                      + " uses had no known price"
                                    : "known for all that was used"
                   : "none is configured: only what providers say that they "
                     + "charge is known"],
        ["Gates", (s.classes || []).filter((c) => c.gate).map(gateLine)],
    ].filter((f) => f && !(Array.isArray(f[1]) && f[1].length === 0))));
}


function gateLine(c) {
    const act = c.gate === "open" ? "close" : "open";

    return h("span", { class: "gate", key: c.name },
        badge(c.gate === "open" ? "warn" : "ok",
              c.name + ": " + (c.gate === "open" ? "backups allowed"
                                                 : "backups closed")),
        h("button", { type: "button", class: "small",
                      onclick: () => confirmGate(c, act) },
          act === "open" ? "Open" : "Close"));
}


function lastRequests() {
    const list = state.recent.list.slice(0, 12);

    return card("Recent requests", h("a", { href: "#/requests" }, "all"),
        list.length
        ? table("Recent requests", REQUEST_COLUMNS, list.map(requestRow),
                { class: "requests" })
        : empty("None yet."));
}


function overview(s) {
    const d = diagnose(s, state.recent, state.history);

    return [
        verdict(d), figures(s, d),
        h("section", { class: "card" }, trafficChart(s), latencyChart(s)),
        accountLanes(s),
        h("div", { class: "two" }, events(s),
          h("div", { class: "stack" }, routes(s), innerLife(s))),
        lastRequests(),
    ];
}
