/*
 * Pieces that several views use.
 */

/* a shape of its own for each level, in a box of 16 */
const GLYPHS = {
    ok: "M3.5 8.5 6.8 12 12.8 4.8",
    info: "M5.5 4v8M10.5 4v8",
    warn: "M8 2.5 14 13.5H2zM8 6.5v3.2M8 11.6v.4",
    bad: "M4 4l8 8M12 4l-8 8",
    drill: "M9.5 1.5 3.5 9.5h4l-1 5 6-8h-4z",
};


function glyph(level) {
    return h("svg", { class: "glyph glyph-" + level, viewBox: "0 0 16 16",
                      "aria-hidden": "true" },
             h("path", { d: GLYPHS[level] || GLYPHS.info }));
}


function badge(level, word, title) {
    return h("span", { class: "badge badge-" + level, title },
             glyph(level), word);
}


function stateBadge(name, word) {
    const told = stateOf(name);

    return badge(told.level, word || told.word, told.means);
}


function card(title, side, ...kids) {
    return h("section", { class: "card" },
             h("div", { class: "card-head" }, h("h2", null, title),
               h("div", { class: "card-side" }, side)),
             kids);
}


function empty(words) {
    return h("p", { class: "empty" }, words);
}


/*
 * columns: [title, class]; cells in rows are nodes or text.  On a phone a row
 * is drawn as a block, and the roles keep it a row for those who listen.
 */

function table(label, columns, rows, props = {}) {
    return h("div", { class: "scroll", tabindex: "0", role: "region",
                      "aria-label": label },
        h("table", { role: "table", ...props },
          h("thead", { role: "rowgroup" },
            h("tr", { role: "row" }, columns.map(([title, cls]) =>
                h("th", { class: cls, scope: "col", role: "columnheader" },
                  title)))),
          h("tbody", { role: "rowgroup" }, rows)));
}


function row(key, columns, cells, props = {}) {
    return h("tr", { key, role: "row", ...props }, cells.map((c, i) =>
        h("td", { class: columns[i][1], role: "cell",
                  "data-title": columns[i][0] }, h("span", null, c))));
}


function facts(list) {
    return h("dl", { class: "facts" },
             list.filter(Boolean).map(([name, value]) =>
                 h("div", null, h("dt", null, name), h("dd", null, value))));
}


const requestLink = (id, words) =>
    h("a", { class: "mono", href: "#/requests/" + encodeURIComponent(id) },
      words || id);


const shortId = (id) => id.length > 13 ? id.slice(0, 8) + "\u2026" : id;


function percentiles(t) {
    return t && known(t.p50)
           ? [ms(t.p50), h("span", { class: "soft" }, " / " + ms(t.p99))]
           : DASH;
}


const amount = (what, n) => what === "budget" ? money(n) : count(n);


function limitBar(l) {
    const part = l.limit ? l.used / l.limit : 0;
    const level = part >= 1 ? "bad" : part >= 0.9 ? "warn" : "ok";
    const words = amount(l.what, l.used) + " of " + amount(l.what, l.limit);

    return h("div", { class: "limit" },
        h("span", { class: "limit-name" },
          l.what + (l.per ? " " + (PER[l.per] || l.per) : "")),
        bar(part, level, l.what + ": " + words),
        h("span", { class: "limit-words" }, words,
          l.resets_ms ? h("span", { class: "soft" }, ", again in "
                                    + span(l.resets_ms - now())) : null));
}


function trail(r) {
    return h("span", { class: "trail" },
        (r.tries || []).map((t, i) => [
            i ? h("span", { class: "soft", "aria-hidden": "true" },
                  " \u2192 ") : null,
            h("span", { class: "step step-" + (t.verdict === "ok" ? "ok"
                                                                  : "bad"),
                        title: inWords(VERDICTS, t.verdict) },
              glyph(t.verdict === "ok" ? "ok" : "bad"), t.account,
              t.verdict === "ok" ? null
              : h("span", { class: "soft" }, " "
                  + (known(t.status) ? t.status : t.verdict)))]),
        (r.tries || []).length ? null : DASH);
}


function outcomeBadge(r) {
    const told = OUTCOMES[r.outcome] || { level: "info", word: or(r.outcome),
                                          means: "" };

    return badge(told.level, told.word, "The client " + told.means + ".");
}


function place(e) {
    return [e.model, known(e.endpoint) ? e.endpoint : null,
            e.stream === true ? "streamed" : null].filter(Boolean)
           .join(" \u00b7 ");
}


const REQUEST_COLUMNS = [["When", ""], ["Request", ""], ["Who", ""],
    ["Model", ""], ["Way", ""], ["Outcome", ""], ["Time", "num"],
    ["First token", "num"], ["Tokens", "num"], ["Cost", "num"]];

function requestRow(r) {
    const served = r.model_served && r.model_served !== r.model_requested;

    return row(r.event_id, REQUEST_COLUMNS, [
        h("time", null, clock(r.ts_ms)),
        requestLink(r.request_id || r.event_id,
                    shortId(r.request_id || r.event_id)),
        [r.key_id || DASH,
         r.team ? h("span", { class: "soft" }, " " + r.team) : null],
        [or(r.model_requested),
         served ? h("span", { class: "soft" }, " as " + r.model_served)
                : null],
        trail(r),
        [outcomeBadge(r),
         r.drill ? badge("drill", "drill",
                         "It was in the scope of a drill's fault.") : null],
        ms(r.latency_ms), ms(r.ttft_ms),
        known(r.input_tokens) ? count(r.input_tokens) + " + "
                                + count(r.output_tokens) : DASH,
        money(r.cost_nanousd),
    ], { class: "outcome-" + r.outcome });
}


/* The verdict behind an exclusion.  An open breaker has none of its own: its
   cause tells only which breaker it is; what opened it is among the events. */

function causeWords(x) {
    return known(x.cause) && x.reason !== "tripped"
           ? h("span", { class: "soft" }, ": " + inWords(VERDICTS, x.cause))
           : null;
}
