/*
 * The plan for a request that is not sent: the same code as the routing of
 * real ones.
 */

function options(list, id) {
    return h("datalist", { id }, list.slice(0, 200).map((v) =>
        h("option", { value: v, key: v })));
}


function planForm(s) {
    const models = [...new Set([
        ...(s.routes || []).flatMap((r) => r.patterns || []),
        ...state.recent.list.slice(0, 200).map((r) => r.model_requested)
    ])].filter((m) => m && !m.includes("*"));
    const keys = ((s.keys && s.keys.list) || []).map((k) => k.id);
    const asked = state.plan || {};

    return h("form", { class: "filters", id: "explain-form",
                       onsubmit: (e) => { e.preventDefault();
                           location.hash = "#/explain?"
                               + new URLSearchParams(fields(e.target)); } },
        h("label", { for: "explain-model" }, "Model",
          h("input", { id: "explain-model", name: "model", required: true,
                       list: "models", autocomplete: "off", maxlength: "256",
                       spellcheck: "false", value: asked.model || "" }),
          options(models, "models")),
        h("label", { for: "explain-class" }, "Class",
          h("select", { id: "explain-class", name: "class",
                        value: asked.class || "" },
            h("option", { value: "" }, "by itself"),
            (s.classes || []).map((c) => h("option", { value: c.name },
                                           c.name)))),
        h("label", { for: "explain-key" }, "Key",
          h("input", { id: "explain-key", name: "key_id", list: "keys",
                       autocomplete: "off", spellcheck: "false",
                       value: asked.key_id || "" }),
          options(keys, "keys")),
        h("label", { for: "explain-input" }, "Input tokens",
          h("input", { id: "explain-input", name: "input_tokens",
                       type: "number", min: "0",
                       value: asked.input_tokens || "" })),
        h("label", { class: "check", for: "explain-stream" },
          h("input", { id: "explain-stream", name: "stream",
                       type: "checkbox", checked: asked.stream === "1" }),
          "streamed"),
        h("button", { type: "submit", class: "main" }, "Explain"));
}


const PLAN_COLUMNS = [["", "num"], ["Account", ""], ["Model", ""],
    ["Tier", "num"], ["Share", "num"], ["Score", "num"], ["State", ""],
    ["Under way", "num"], ["Estimated cost", "num"],
    ["$ a million tokens, in / out", "num"]];

function candidateRow(c, i) {
    return row([c.account, c.model, i].join("\n"), PLAN_COLUMNS, [
        c.order ?? DASH,
        [h("b", null, c.account), h("span", { class: "soft" },
                                    " " + or(c.provider))],
        or(c.model), or(c.tier),
        known(c.share) ? percent(c.share, 100) : DASH,
        known(c.score) ? [String(c.score), h("span", { class: "soft" },
                                    " " + (c.score_unit || ""))] : DASH,
        c.eligible === false || c.reason
        ? [badge("warn", "not used"), " " + inWords(REASONS, c.reason),
           causeWords(c),
           c.back_ms ? h("span", { class: "soft" }, "; back in "
                         + span(c.back_ms - now())) : null]
        : [stateBadge(c.state),
           c.percent < 100 ? h("span", { class: "soft" }, " " + c.percent
                                         + " % of its share") : null],
        count(c.inflight), money(c.cost_nanousd),
        or(c.input_usd_per_mtok) + " / " + or(c.output_usd_per_mtok),
    ], { class: c.order ? "" : "off" });
}


function planWords(p) {
    const own = (p.plan || [])[0];
    const first = own && own.candidates.find((c) => c.order);

    if (p.refusal) {
        return "It would be refused: " + p.refusal.status + " "
               + or(p.refusal.code) + ", " + or(p.refusal.message);
    }
    if (!first) {
        /* a note says whether it waits or goes to a backup */
        return "No account of its route could take it now.";
    }
    return "It would go to " + first.account
           + (first.model !== p.model ? " as " + first.model : "")
           + " first, by route " + or(p.route) + " in class " + or(p.class)
           + ".";
}


function plan(p) {
    return [
        h("section", { class: "card" },
          h("p", { class: "story" }, planWords(p)),
          facts([["Route", or(p.route)], ["Class", or(p.class)],
                 ["Key", or(p.key_id)], ["Endpoint", or(p.endpoint)],
                 ["Balance", or(p.balance)]]),
          (p.notes || []).length
          ? h("ul", { class: "plain" }, p.notes.slice(0, 20).map((n) =>
                h("li", null, n))) : null),
        (p.plan || []).map((step) => h("section", { class: "card",
                                                    key: step.model },
            h("div", { class: "card-head" }, h("h2", null, step.model),
              step.backup ? badge("warn", "backup") : null),
            table("Candidates of " + step.model, PLAN_COLUMNS,
                  (step.candidates || []).map(candidateRow)))),
    ];
}


function explain(s) {
    const asked = state.asked.plan || {};

    return [
        pageHead("Explain", "Where a request would go now, and why not "
                 + "elsewhere. Nothing is sent."),
        h("section", { class: "card" }, planForm(s)),
        asked.error ? h("p", { class: "wrong" }, asked.error.message) : null,
        asked.answer ? plan(asked.answer)
        : state.plan && !asked.error ? empty("Asking \u2026") : null,
    ];
}
