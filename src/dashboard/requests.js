/*
 * Recent requests, found by what they were, and the whole trail of one.
 */

const FILTERS = [
    ["key", "Key", "text"], ["team", "Team", "text"],
    ["model", "Model", "text"],
    ["account", "Account", (s) => (s.accounts || []).map((a) => a.name)],
    ["outcome", "Outcome", () => Object.keys(OUTCOMES)],
    ["fallback", "Fallback", () => ["any", ...Object.keys(FALLBACKS)]],
    ["since", "Since", () => ["1m", "5m", "10m", "30m", "1h"]],
    ["limit", "At most", () => ["50", "100", "200", "500"]],
];


function filterField(s, [name, title, kind]) {
    const props = { name, id: "filter-" + name,
                    value: state.filter[name] || "" };

    return h("label", { for: props.id, key: name }, title,
        kind === "text"
        ? h("input", { ...props, type: "text", autocomplete: "off",
                       spellcheck: "false", maxlength: "256" })
        : h("select", props, h("option", { value: "" },
                               name === "limit" ? "100" : "any"),
            kind(s).filter((v) => name !== "limit" || v !== "100").map((v) =>
                h("option", { value: v }, name === "fallback" && v === "any"
                                          ? "any but none" : v))));
}


function requestFilter(s) {
    return h("form", { class: "filters", "aria-label": "Filter",
                       onsubmit: (e) => { e.preventDefault();
                                          applyFilter(e.target); },
                       onchange: (e) => applyFilter(e.currentTarget) },
        FILTERS.map((f) => filterField(s, f)),
        h("button", { type: "submit" }, "Filter"),
        Object.keys(state.filter).length
        ? h("a", { class: "button", href: "#/requests" }, "All") : null);
}


function applyFilter(form) {
    const values = fields(form);
    const next = Object.keys(values).length
                 ? "#/requests?" + new URLSearchParams(values) : "#/requests";

    if (location.hash !== next) {
        location.hash = next;
    }
}


function requests(s) {
    if (state.id !== null) {
        return requestPage();
    }

    const asked = state.asked.list || {};
    const list = asked.answer ? asked.answer.requests : [];

    return [
        pageHead("Requests", "The newest that are remembered: who asked, "
                 + "which way it went, what came of it. No prompts, no "
                 + "keys."),
        requestFilter(s),
        asked.error ? h("p", { class: "wrong" }, asked.error.message) : null,
        h("section", { class: "card" },
          list.length
          ? table("Requests", REQUEST_COLUMNS,
                  list.slice(0, 500).map(requestRow), { class: "requests" })
          : empty(!asked.answer ? "Asking \u2026"
                  : "None of the " + plural(asked.answer.held, "request")
                    + " that are remembered is like that."),
          asked.answer && asked.answer.held
          ? h("p", { class: "soft note" }, count(list.length) + " of "
              + plural(asked.answer.held, "remembered request")
              + ", since " + moment(asked.answer.oldest_ms) + ".") : null),
    ];
}


/* what happened to it, in sentences */

function story(r) {
    const tries = r.tries || [];
    const failed = tries.filter((t) => t.verdict !== "ok");
    const avoided = (r.excluded || []).filter((x) => AVOIDED.has(x.reason));
    const told = OUTCOMES[r.outcome] || { means: or(r.outcome) };
    const words = ["The client " + told.means
                   + (known(r.status) ? " (" + r.status + ")" : "")
                   + " after " + ms(r.latency_ms) + "."];

    for (const x of avoided.slice(0, 4)) {
        words.push(x.account + " was not asked: "
                   + inWords(REASONS, x.reason).replace(/^is /, "it is ")
                   + ".");
    }
    for (const t of failed.slice(0, 8)) {
        words.push(t.account + " "
                   + (known(t.status) ? "answered " + t.status + ", "
                                      : "gave no answer, ")
                   + t.verdict + ": " + inWords(VERDICTS, t.verdict)
                   + (t.fault ? ". This was a drill's doing" : "") + ".");
    }

    const last = tries[tries.length - 1];

    if (last && last.verdict === "ok"
        && (tries.length > 1 || avoided.length > 0))
    {
        words.push(last.account + " answered it"
                   + (last.model !== r.model_requested ? " with " + last.model
                                                       : "")
                   + (last.why !== "first" ? ": " + inWords(WHYS, last.why)
                                           : "") + ".");
    }
    if (tries.length === 0) {
        words.push("Nothing was tried"
                   + (r.error_class ? ": " + r.error_class.replace(/_/g, " ")
                                    : "") + ".");
    }
    if (r.drill) {
        words.push("It was in the scope of a drill.");
    }

    return words;
}


function waterfall(r) {
    const all = Math.max(1, r.latency_ms || 0,
                         ...r.tries.map((t) => t.start_ms + t.elapsed_ms));
    const at = (v) => (v / all * 100).toFixed(2) + "%";

    return h("div", { class: "waterfall", role: "img",
                      "aria-label": "When each attempt ran" },
        r.tries.map((t, i) => h("div", { class: "fall" },
            h("span", { class: "fall-name" }, (i + 1) + " " + t.account),
            h("span", { class: "fall-line" },
              h("span", { class: "fall-bar fall-" + (t.verdict === "ok"
                                                     ? "ok" : "bad"),
                          css: { left: at(t.start_ms),
                                 width: at(Math.max(t.elapsed_ms,
                                                    all / 200)) } })),
            h("span", { class: "num" }, ms(t.elapsed_ms)))));
}


const TRY_COLUMNS = [["", "num"], ["Account", ""], ["Model", ""],
    ["Verdict", ""], ["Status", "num"], ["Began", "num"], ["Took", "num"],
    ["Why it was chosen", ""], ["Tokens", "num"], ["Cost", "num"]];

function tryRow(t, i) {
    return row(i, TRY_COLUMNS, [
        i + 1,
        [h("b", null, t.account), h("span", { class: "soft" },
                                    " " + or(t.provider))],
        or(t.model),
        [badge(t.verdict === "ok" ? "ok" : "bad", t.verdict), " ",
         h("span", { class: "soft" }, inWords(VERDICTS, t.verdict)),
         t.fault ? [" ", badge("drill", "drill")] : null],
        or(t.status), "+" + ms(t.start_ms), ms(t.elapsed_ms),
        inWords(WHYS, t.why),
        known(t.input_tokens) ? count(t.input_tokens) + " + "
                                + count(t.output_tokens) : DASH,
        money(t.cost_nanousd),
    ]);
}


function excludedLine(x, i) {
    return h("li", { key: i }, h("b", null, x.account),
        x.model ? " " + x.model : "", ": ", inWords(REASONS, x.reason),
        causeWords(x),
        x.back_ms ? h("span", { class: "soft" }, "; expected back "
                                                 + moment(x.back_ms)) : null);
}


function requestTrail(r) {
    const shown = new Set(["tries", "excluded"]);

    return h("article", { class: "stack", key: r.event_id },
        h("section", { class: "card" },
          h("div", { class: "card-head" },
            h("h2", null, or(r.model_requested)), outcomeBadge(r),
            r.fallback && r.fallback !== "none"
            ? badge("warn", "served by " + inWords(FALLBACKS, r.fallback))
            : null,
            r.drill ? badge("drill", "drill") : null,
            h("div", { class: "card-side" },
              h("span", { class: "soft" }, moment(r.ts_ms)))),
          h("p", { class: "story" }, story(r).join(" ")),
          facts([
              ["Who", [or(r.key_id), h("span", { class: "soft" },
                  [r.app, r.team, r.env].filter(Boolean)
                  .map((x) => " " + x).join(","))]],
              ["Class and route", or(r.class) + ", " + or(r.route)],
              ["Endpoint", or(r.endpoint) + (r.stream ? ", streamed" : "")],
              ["First token", ms(r.ttft_ms)],
              ["In pauses and queue", ms(r.queue_ms)],
              ["Tokens in + out", count(r.input_tokens) + " + "
                                  + count(r.output_tokens)],
              ["Cost", money(r.cost_nanousd)],
              ["Who pays", or(r.cost_owner)],
          ])),
        (r.tries || []).length
        ? card("Attempts", null, waterfall(r),
               table("Attempts", TRY_COLUMNS, r.tries.map(tryRow),
                     { class: "tries" }))
        : null,
        (r.excluded || []).length
        ? card("Not tried", null, h("ul", { class: "plain" },
                                    r.excluded.map(excludedLine)))
        : null,
        h("details", { class: "card" },
          h("summary", null, "All fields of its record"),
          facts(Object.entries(r).filter(([name]) => !shown.has(name))
                .map(([name, value]) => [h("span", { class: "mono" }, name),
                                         or(value)]))));
}


function requestPage() {
    const asked = state.asked.trail || {};
    const list = asked.answer ? asked.answer.requests : [];
    const unknown = asked.error instanceof Refused
                    && asked.error.status === 404;

    return [
        h("p", { class: "crumbs" }, h("a", { href: "#/requests" },
                                      "\u2190 Requests")),
        h("div", { class: "page-head" },
          h("h1", { class: "mono id" }, state.id)),
        unknown
        ? empty("No remembered request has this id. The oldest are "
                + "forgotten first; the usage records keep all of them.")
        : asked.error && !asked.answer
        ? h("p", { class: "wrong" }, asked.error.message)
        : !asked.answer ? empty("Asking \u2026") : null,
        list.length > 1
        ? h("p", { class: "soft" }, "The client used this id "
                                    + list.length + " times.") : null,
        list.slice(0, 20).map(requestTrail),
    ];
}
