/*
 * The frame: pages by the address' fragment, the head, dialogs, the clock.
 */

const PAGES = {
    overview: { title: "Overview", view: overview },
    accounts: { title: "Accounts", view: accounts },
    requests: { title: "Requests", view: requests },
    cost: { title: "Usage", view: cost },
    explain: { title: "Explain", view: explain },
    drills: { title: "Drills", view: drills },
};


/* "#/requests/<id>", "#/requests?account=a", "#/explain?model=m" */

function readAddress() {
    const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
    const [page, ...rest] = path.split("/");
    const values = Object.fromEntries(new URLSearchParams(search || ""));
    let id = null;

    if (page === "requests" && rest.length && rest[0] !== "") {
        try {
            id = decodeURIComponent(rest.join("/"));
        } catch (e) {
            id = rest.join("/");
        }
    }

    const moved = state.page !== page || state.id !== id;

    state.page = Object.hasOwn(PAGES, page) ? page : "overview";
    state.id = id;
    state.filter = state.page === "requests" ? values : {};
    state.plan = state.page === "explain" && values.model ? values : null;
    state.hover = {};

    return moved;
}


async function go() {
    if (readAddress()) {
        window.scrollTo(0, 0);
    }
    render();
    await pollQuestions();
    render();
}


/* --- the head ------------------------------------------------------------ */

function live() {
    if (state.status === null) {
        return badge("info", state.failure || "connecting \u2026");
    }
    if (state.failure || stale()) {
        return badge("bad", "not live: " + span(age()) + " old");
    }
    return h("span", { class: "pulse" },
             h("span", { class: "dot", "aria-hidden": "true" }),
             "live ", h("time", null, clock(state.status.now_ms)));
}


function nav() {
    return Object.entries(PAGES).map(([name, page]) =>
        h("a", { key: name, href: "#/" + (name === "overview" ? "" : name),
                 "aria-current": state.page === name ? "page" : undefined },
          page.title,
          name === "drills" && state.status
          && (state.status.faults || []).some((f) => f.active)
          ? h("span", { class: "nav-dot" }, glyph("drill"),
              h("span", { class: "sr" }, "a drill runs")) : null));
}


function operatorButton() {
    return h("button", { type: "button", class: "operator",
                         onclick: () => state.bearer ? lock() : askBearer() },
             h("svg", { viewBox: "0 0 16 16", class: "glyph",
                        "aria-hidden": "true" },
               h("path", { d: state.bearer
                              ? "M3.5 7.5h9v6h-9zM5.5 7.5v-3a2.5 2.5 0 0 1 "
                                + "4.8-1"
                              : "M3.5 7.5h9v6h-9zM5.5 7.5v-3a2.5 2.5 0 0 1 5 "
                                + "0v3" })),
             state.bearer ? "Lock" : "Operator");
}


function alarm() {
    if (!state.failure && !stale()) {
        return null;
    }
    return h("p", { class: "alarm" }, glyph("bad"),
        state.status === null
        ? "The gateway's state is not known: " + or(state.failure)
          + ". It is asked again every few seconds."
        : "What is shown is of " + clock(state.status.now_ms) + ": "
          + (state.failure || "no answer since") + ". It is asked again "
          + "every few seconds.");
}


function foot(s) {
    return [
        h("span", null, "nginx-ai-route " + or(s.version) + " in nginx "
                        + or(s.nginx)),
        h("span", null, "up for " + span((s.uptime_s || 0) * 1000)),
        h("span", null, "configuration of " + moment(s.loaded_ms)),
        h("span", null, "worker " + or(s.pid)),
    ];
}


/* --- dialogs ------------------------------------------------------------- */

const dialog = () => document.getElementById("dialog");

function openDialog(...content) {
    patch(dialog(), h("div", null, ...content).kids);
    if (!dialog().open) {
        dialog().showModal();
    }
}


function closeDialog() {
    dialog().close();
    /* what was typed into it is not kept in the document either */
    patch(dialog(), []);
}


function lock() {
    state.bearer = "";
    say("The bearer is forgotten.");
    render();
}


function askBearer(then) {
    openDialog(h("form", { key: "bearer",
                           onsubmit: (e) => { e.preventDefault();
                               state.bearer = e.target.elements.bearer.value;
                               closeDialog();
                               render();
                               if (state.bearer && then) {
                                   then();
                               } } },
        h("h2", { id: "dialog-title" }, "Operator"),
        h("p", null, "Changes need the bearer of ai_status admin=. It is "
                     + "kept in this page's memory only, until you lock it "
                     + "or reload."),
        h("label", { for: "bearer" }, "Bearer",
          h("input", { id: "bearer", name: "bearer", type: "password",
                       autocomplete: "off", required: true,
                       autofocus: true })),
        dialogButtons("Unlock")));
}


function needBearer(then) {
    return state.bearer ? then() : askBearer(then);
}


function dialogButtons(word) {
    return h("div", { class: "form-buttons" },
             h("button", { type: "submit", class: "main" }, word),
             h("button", { type: "button", onclick: closeDialog },
               "Cancel"));
}


/* o: title, words, go (of the button), act() which may fail */

function confirmDialog(o) {
    needBearer(() => openDialog(h("form", { key: "confirm",
                onsubmit: (e) => { e.preventDefault(); runDialog(o); } },
        h("h2", { id: "dialog-title" }, o.title),
        o.words.filter(Boolean).map((w) => h("p", null, w)),
        o.error ? h("p", { class: "wrong", role: "alert" }, o.error) : null,
        dialogButtons(o.go))));
}


async function runDialog(o) {
    try {
        await o.act();
        closeDialog();
    } catch (e) {
        if (e.status === 401) {
            closeDialog();
            say(e.message, true);
            return;
        }
        confirmDialog({ ...o, error: e.message });
    }
}


let sayTimer = null;

function say(words, wrong) {
    show("says", h("p", { class: wrong ? "wrong" : "" }, words));
    clearTimeout(sayTimer);
    sayTimer = setTimeout(() => show("says"), 6000);
}


/* --- the whole ----------------------------------------------------------- */

function titleOf(s) {
    if (state.failure || s === null) {
        return "? ai gateway";
    }

    const d = diagnose(s, state.recent, state.history);

    return ({ bad: "\u2716 ", warn: "\u25b2 ", drill: "\u25c6 " }[d.level]
            || "") + d.headline + " \u00b7 ai gateway";
}


let drawing = false;

function render() {
    if (!drawing) {
        drawing = true;
        requestAnimationFrame(draw);
    }
}


function draw() {
    const s = state.status;

    drawing = false;
    document.title = titleOf(s);
    document.body.classList.toggle("old", Boolean(state.failure) || stale());

    show("live", live());
    show("nav", nav());
    show("operator", operatorButton());
    show("alarm", alarm());
    show("main", s === null ? empty("Asking the gateway \u2026")
                 : h("div", { key: state.page, class: "page" },
                     PAGES[state.page].view(s)));
    show("foot", s === null ? null : foot(s));
}


function start() {
    document.getElementById("find").onsubmit = (e) => {
        const field = e.target.elements[0];
        const id = field.value.trim();

        e.preventDefault();
        if (id) {
            location.hash = "#/requests/" + encodeURIComponent(id);
            field.value = "";
        }
    };

    /* Escape ends a dialog, too */
    dialog().oncancel = () => setTimeout(() => patch(dialog(), []));

    window.onhashchange = go;
    document.onvisibilitychange = pollLoop;

    readAddress();
    render();
    pollLoop();
    setInterval(render, 1000);
}


document.addEventListener("DOMContentLoaded", start);
