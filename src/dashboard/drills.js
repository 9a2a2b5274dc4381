/*
 * Faults on purpose: begun, watched, ended; and a scripted drill, which waits
 * until traffic is back where it was and then judges.
 */

const RUN_STEP_MS = 1000;
const RETURN_MS = 180000;       /* how long the way back may take */


function drillForm(s) {
    const names = (s.accounts || []).map((a) => a.name);

    return h("form", { class: "filters", id: "drill-form",
                       onsubmit: (e) => { e.preventDefault();
                           confirmDrill(faultOf(e.target),
                                        e.submitter.value === "run"); } },
        selectField("account", "Account", names.map((n) => [n, n])),
        selectField("fault", "Fault", Object.keys(FAULTS).map((f) =>
            [f, FAULTS[f]])),
        inputField("status", "Status, of an error", { type: "number",
            min: "400", max: "599", placeholder: "503" }),
        inputField("delay", "Delay, of a slow one", { placeholder: "5s" }),
        inputField("percent", "Percent of attempts", { type: "number",
            min: "1", max: "100", placeholder: "100" }),
        inputField("ttl", "Ends after", { placeholder: "60s" }),
        inputField("model", "Only this model", { placeholder: "any" }),
        inputField("key_id", "Only this key", { placeholder: "any" }),
        selectField("class", "Only this class", [["", "any"],
            ...(s.classes || []).map((c) => [c.name, c.name])]),
        h("div", { class: "form-buttons" },
          h("button", { type: "submit", class: "main", name: "how",
                        value: "run" }, "Run a scripted drill"),
          h("button", { type: "submit", name: "how", value: "fault" },
            "Only inject the fault")));
}


function selectField(name, title, values) {
    const id = "drill-" + name;

    return h("label", { for: id, key: name,
                        class: name === "fault" ? "wide" : undefined }, title,
             h("select", { id, name }, values.map(([value, words]) =>
                 h("option", { value }, words))));
}


function inputField(name, title, props) {
    const id = "drill-" + name;

    return h("label", { for: id, key: name }, title,
             h("input", { id, name, autocomplete: "off", spellcheck: "false",
                          ...props }));
}


/* only what applies to the fault, for the gateway refuses what does not */

function faultOf(form) {
    const { how, status, delay, percent, ...fault } = fields(form);

    if (fault.fault === "status" && status) {
        fault.status = Number(status);
    }
    if (fault.fault === "slow_first_token" && delay) {
        fault.delay = delay;
    }
    if (percent) {
        fault.percent = Number(percent);
    }

    return fault;
}


function faultWords(f) {
    return f.account + " " + inWords(FAULTS, f.fault)
           + (f.fault === "status" ? " " + (f.status || 503) : "")
           + ", " + (f.percent || 100) + " % of the attempts"
           + (f.model ? ", model " + f.model : "")
           + (f.key_id ? ", key " + f.key_id : "")
           + (f["class"] ? ", class " + f["class"] : "");
}


function confirmDrill(fault, scripted) {
    confirmDialog({
        title: scripted ? "Run this drill?" : "Inject this fault?",
        words: [faultWords(fault) + ", for " + (fault.ttl || "60s") + ".",
                "Real requests will meet it. It ends by itself, even if you "
                + "close this page, and no provider is asked.",
                scripted ? "The drill then waits until the account serves "
                           + "again, and judges what happened." : null],
        go: scripted ? "Run the drill" : "Inject",
        act: () => scripted ? startRun(fault) : startFault(fault),
    });
}


async function startFault(fault) {
    const begun = await command("POST", "faults", fault);

    say("The fault " + begun.id + " began.");
    pollSoon();
    return begun;
}


async function endFault(id) {
    try {
        await command("DELETE", "faults/" + encodeURIComponent(id));
        say("The fault " + id + " ended.");
    } catch (e) {
        say(e.message, true);
    }
    pollSoon();
}


/* --- the scripted drill -------------------------------------------------- */

/* the accounts that a request in the fault's scope would be sent to, now */

async function expectedPath(fault) {
    const like = state.recent.list.find((r) => r.account === fault.account
                                               && r.model_requested);
    const model = fault.model && !fault.model.endsWith("*")
                  ? fault.model : like && like.model_requested;

    if (!model) {
        return null;
    }

    const values = { model };

    if (fault.key_id) {
        values.key_id = fault.key_id;
    }
    if (fault["class"]) {
        values["class"] = fault["class"];
    }

    try {
        const p = await ask("explain" + query(values));

        return p.plan.flatMap((step) => step.candidates)
                     .filter((c) => c.order).map((c) => c.account);
    } catch (e) {
        /* the drill is worth running without it */
        return null;
    }
}


async function startRun(fault) {
    const path = await expectedPath(fault);
    const begun = await startFault(fault);

    state.run = { fault: begun, path, error: null, report: null };
    setTimeout(followRun, RUN_STEP_MS, state.run);
    location.hash = "#/drills";
    render();
}


async function followRun(run) {
    if (state.run !== run) {
        return;
    }

    try {
        run.fault = await ask("faults/" + encodeURIComponent(run.fault.id));
        run.error = null;
    } catch (e) {
        run.error = e.message;

        if (e instanceof Refused) {
            render();
            return;
        }
    }

    const f = run.fault;
    const given = !f.active && (f.hit === 0
                                || now() - f.ended_ms > RETURN_MS);

    if (!f.active && (known(f.returned_ms) || given)) {
        run.report = judge(run);
        say("The drill " + run.report.verdict + "ed.");

    } else {
        setTimeout(followRun, RUN_STEP_MS, run);
    }

    render();
}


const between = (from, to) => known(from) && known(to) ? to - from : null;

function judge(run) {
    const f = run.fault;
    const detection_ms = between(f.first_hit_ms, f.detected_ms);
    const return_ms = between(f.ended_ms, f.returned_ms);
    const checks = [
        ["the fault was met", f.hit > 0,
         f.hit ? plural(f.attempts, "attempt") + " of "
                 + plural(f.hit, "request") + " met it"
               : "no request met it: it needs traffic to the account"],
        ["it was noticed", known(detection_ms),
         known(detection_ms) ? "after " + ms(detection_ms)
         : "no breaker opened, no cooldown or closure began"],
        ["no request was lost", f.lost === 0,
         count(f.saved) + " of " + count(f.hit) + " saved, "
         + count(f.lost) + " lost"],
        ["traffic came back", known(return_ms),
         known(return_ms) ? ms(return_ms) + " after the end"
         : "not within " + span(RETURN_MS)],
    ].map(([what, pass, words]) => ({ what, pass, words }));

    return {
        verdict: checks.every((c) => c.pass) ? "pass" : "fail",
        checks, expected_path: run.path, detection_ms, return_ms,
        requests: f.requests, hit: f.hit, saved: f.saved, lost: f.lost,
        added_ms: f.added_ms,
        added_mean_ms: f.saved ? Math.round(f.added_ms / f.saved) : null,
        moved_nanousd: f.moved_nanousd, fault: f,
    };
}


/* a name in Markdown is code, whatever is in it */

const quoted = (v) => "`" + or(v).replace(/[`\r\n|]/g, " ") + "`";

function markdown(report) {
    const f = report.fault;
    const path = report.expected_path;

    return [
        "# Drill " + f.id + ": " + report.verdict, "",
        quoted(f.account) + " " + inWords(FAULTS, f.fault)
        + (f.fault === "status" ? " " + f.status : "") + ", " + f.percent
        + " % of the attempts, from " + new Date(f.started_ms).toISOString()
        + " to " + new Date(f.ended_ms).toISOString() + " (ended by "
        + or(f.ended_by) + ").", "",
        "| check | | |", "|---|---|---|",
        ...report.checks.map((c) => "| " + c.what + " | "
                             + (c.pass ? "pass" : "FAIL") + " | " + c.words
                             + " |"), "",
        "| | |", "|---|---|",
        "| expected path | " + (path ? path.map(quoted).join(", ") : DASH)
        + " |",
        "| requests in scope | " + count(report.requests) + " |",
        "| met the fault | " + count(report.hit) + " |",
        "| saved, lost | " + count(report.saved) + ", " + count(report.lost)
        + " |",
        "| noticed after | " + ms(report.detection_ms) + " |",
        "| added time, mean of the saved | " + ms(report.added_mean_ms)
        + " |",
        "| cost moved | " + money(report.moved_nanousd) + " |",
        "| back after | " + ms(report.return_ms) + " |", "",
        "| after | what | where | |", "|---|---|---|---|",
        ...(f.timeline || []).map((e) => "| "
            + ms(e.at_ms - f.started_ms) + " | " + ((EVENTS[e.what] || {}).word || or(e.what))
            + " | " + quoted(place(e)) + " | " + quoted(e.detail) + " |"),
        "",
    ].join("\n");
}


function download(name, type, content) {
    const url = URL.createObjectURL(new Blob([content], { type }));

    Object.assign(document.createElement("a"), { href: url, download: name })
          .click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
}


function runPhase(run) {
    const f = run.fault;

    return [
        ["The fault is in force", true, f.active ? "ends in "
                                    + span(f.ends_ms - now()) : "ended"],
        ["A request met it", f.hit > 0,
         f.hit ? count(f.hit) + " so far" : "waiting for traffic"],
        ["The gateway noticed", known(f.detected_ms),
         known(f.detected_ms)
         ? "after " + ms(between(f.first_hit_ms, f.detected_ms))
         : "not yet"],
        ["The fault is over", !f.active, f.active ? "not yet"
                                                  : or(f.ended_by)],
        ["Traffic is back", known(f.returned_ms),
         known(f.returned_ms)
         ? ms(between(f.ended_ms, f.returned_ms)) + " after the end"
         : "not yet"],
    ];
}


function runCard() {
    const run = state.run;

    if (run === null) {
        return null;
    }

    const f = run.fault;

    return h("section", { class: "card run", "aria-live": "polite" },
        h("div", { class: "card-head" },
          h("h2", null, run.report ? "The drill has "
                                     + (run.report.verdict === "pass"
                                        ? "passed" : "failed")
                                   : "A drill is under way"),
          run.report ? badge(run.report.verdict === "pass" ? "ok" : "bad",
                             run.report.verdict)
                     : badge("drill", "running"),
          h("div", { class: "card-side" }, run.report
            ? [h("button", { type: "button", class: "small",
                             onclick: () => download("drill-" + f.id + ".md",
                                 "text/markdown", markdown(run.report)) },
                 "Markdown"),
               h("button", { type: "button", class: "small",
                             onclick: () => download("drill-" + f.id
                                 + ".json", "application/json",
                                 JSON.stringify(run.report, null, 2)) },
                 "JSON"),
               h("button", { type: "button", class: "small",
                             onclick: () => { state.run = null; render(); } },
                 "Close")]
            : f.active ? h("button", { type: "button", class: "small",
                                       onclick: () => endFault(f.id) },
                           "Stop") : null)),
        h("p", null, faultWords(f) + "."),
        run.error ? h("p", { class: "wrong" }, run.error) : null,
        h("ol", { class: "phases" },
          (run.report ? run.report.checks.map((c) => [c.what, c.pass, c.words])
                      : runPhase(run)).map(([what, is, words], i) =>
              h("li", { key: i, class: is ? "is" : run.report ? "not" : "" },
                glyph(is ? "ok" : run.report ? "bad" : "info"),
                h("b", null, what), h("span", { class: "soft" }, words)))),
        facts([
            ["Expected path", run.path ? run.path.join(" \u2192 ") : DASH],
            ["In scope", plural(f.requests, "request")],
            ["Saved", count(f.saved)], ["Lost", count(f.lost)],
            ["Added time, mean", f.saved ? ms(f.added_ms / f.saved) : DASH],
            ["Cost moved", money(f.moved_nanousd)],
        ]));
}


/* --- faults of any origin ------------------------------------------------ */

const FAULT_COLUMNS = [["Fault", ""], ["What", ""], ["State", ""],
    ["In scope", "num"], ["Met it", "num"], ["Saved", "num"],
    ["Lost", "num"], ["Noticed after", "num"], ["Back after", "num"],
    ["", ""]];

function faultRow(f) {
    return row(f.id, FAULT_COLUMNS, [
        h("span", { class: "mono" }, f.id), faultWords(f),
        f.active ? badge("drill", span(f.ends_ms - now()) + " left")
                 : "ended by " + or(f.ended_by) + ", " + moment(f.ended_ms),
        count(f.requests), count(f.hit), count(f.saved), count(f.lost),
        ms(between(f.first_hit_ms, f.detected_ms)),
        ms(between(f.ended_ms, f.returned_ms)),
        f.active ? h("button", { type: "button", class: "small",
                                 "aria-label": "Stop fault " + f.id,
                                 onclick: () => needBearer(() =>
                                                    endFault(f.id)) },
                     "Stop")
                 : null,
    ]);
}


function drills(s) {
    const asked = state.asked.faults || {};
    const list = asked.answer ? asked.answer.faults : s.faults || [];

    return [
        pageHead("Drills", "A fault is made where an account's answer would "
                 + "come from, so breakers, fallbacks, records and cost are "
                 + "real, and no provider is asked. It needs the operator's "
                 + "bearer and ends by itself."),
        runCard(),
        card("New drill", null, drillForm(s)),
        card("Faults", h("span", { class: "soft" },
                         "running, and the last that ended"),
            asked.error ? h("p", { class: "wrong" }, asked.error.message)
                        : null,
            list.length ? table("Faults", FAULT_COLUMNS,
                                list.slice(0, 100).map(faultRow))
                        : empty("None.")),
    ];
}
