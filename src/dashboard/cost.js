/*
 * Tokens and cost, by whom and at whom, and what is left of limits.
 */

/* what has no counters of its own is counted together */
const OTHERS = "(all others)";

const GROUPS = {
    teams: { title: "Teams", list: (s) => s.teams || [],
             name: (x) => x.name === "" ? "(no team)" : x.name ?? OTHERS },
    keys: { title: "Keys", list: (s) => (s.keys && s.keys.list) || [],
            name: (x) => x.id },
    models: { title: "Models", list: (s) => s.models || [],
              name: (x) => x.name ?? OTHERS },
    accounts: { title: "Accounts", list: (s) => s.accounts || [],
                name: (x) => x.name },
    classes: { title: "Classes", list: (s) => s.classes || [],
               name: (x) => x.name },
    routes: { title: "Routes", list: (s) => s.routes || [],
              name: (x) => x.name },
};

const MEASURES = {
    cost_nanousd: { title: "Cost", words: money },
    tokens: { title: "Tokens", words: count,
              of: (t) => (t.input_tokens || 0) + (t.output_tokens || 0) },
    requests: { title: "Requests", words: count },
    fallbacks: { title: "Fallbacks", words: count },
};


function measure(totals) {
    const m = MEASURES[state.choice.what];

    return m.of ? m.of(totals) : totals[state.choice.what] || 0;
}


function choose(label, field, table) {
    return h("div", { class: "choices", role: "group", "aria-label": label },
        Object.entries(table).map(([name, x]) =>
            h("button", { type: "button", key: name,
                          "aria-pressed": String(state.choice[field]
                                                 === name),
                          onclick: () => { state.choice[field] = name;
                                           render(); } }, x.title)));
}


const COST_COLUMNS = [["Name", ""], ["Requests", "num"],
    ["Answered well", "num"], ["Fallbacks", "num"], ["Tokens in", "num"],
    ["of it cached", "num"], ["Tokens out", "num"], ["Time", "num"],
    ["First token", "num"], ["Cost", "num"]];

function costRow(name, t, key) {
    return row(key, COST_COLUMNS, [
        name, count(t.requests),
        percent(t.ok, t.requests - (t.client_gone || 0) - (t.rejected || 0)),
        count(t.fallbacks), count(t.input_tokens), count(t.cache_read_tokens),
        count(t.output_tokens), percentiles(t.latency_ms),
        percentiles(t.first_token_ms), money(t.cost_nanousd),
    ]);
}


function bars(group, list) {
    const top = Math.max(...list.map((x) => measure(x.totals || {})), 0);

    return h("ol", { class: "bars" }, list.slice(0, 20).map((x) => {
        const v = measure(x.totals || {});

        return h("li", { key: group.name(x) },
            h("span", { class: "bars-name" }, group.name(x)),
            bar(top ? v / top : 0, "share", ""),
            h("span", { class: "num" },
              MEASURES[state.choice.what].words(v)));
    }));
}


function budgets(s) {
    const keys = ((s.keys && s.keys.list) || [])
                 .filter((k) => (k.limits || []).length)
                 .sort((a, b) => fullest(b) - fullest(a)).slice(0, 30);
    const held = (s.accounts || []).filter((a) => (a.limits || []).length);

    return card("Limits and budgets", h("span", { class: "soft" },
                                        "the fullest first"),
        keys.length + held.length
        ? h("div", { class: "limits" },
            [...keys.map((k) => limitsOf("key " + k.id, k.limits)),
             ...held.map((a) => limitsOf("account " + a.name, a.limits))])
        : empty("No key that was used and no account has any."));
}


const fullest = (x) => Math.max(...x.limits.map((l) => l.used / l.limit || 0));


function limitsOf(name, limits) {
    return h("div", { key: name, class: "limits-of" }, h("h3", null, name),
             limits.slice(0, 10).map(limitBar));
}


function cost(s) {
    const group = GROUPS[state.choice.by];
    const list = [...group.list(s)].sort((a, b) => measure(b.totals || {})
                                                 - measure(a.totals || {}));
    const t = s.totals || {};

    return [
        pageHead("Usage and cost", "Since " + moment(s.started_ms)
                 + ", as far as prices are known: " + money(t.cost_nanousd)
                 + " for " + plural(t.requests || 0, "request") + ", "
                 + count(t.input_tokens) + " tokens in and "
                 + count(t.output_tokens) + " out."),
        h("div", { class: "switches" }, choose("By", "by", GROUPS),
          choose("Measure", "what", MEASURES)),
        h("section", { class: "card" },
          list.length
          ? [bars(group, list),
             table("Usage by " + group.title, COST_COLUMNS,
                   list.slice(0, 100).map((x) =>
                       costRow(group.name(x), x.totals || {},
                               group.name(x))))]
          : empty("Nothing was used yet."),
          state.choice.by === "accounts" || state.choice.by === "models"
          ? h("p", { class: "soft note" },
              "Of accounts and models the attempts are counted.") : null,
          state.choice.by === "keys"
          ? h("p", { class: "soft note" },
              "The 100 keys that were used last"
              + (s.keys && known(s.keys.configured)
                 ? ", of " + count(s.keys.configured) : "") + ".") : null),
        budgets(s),
    ];
}
