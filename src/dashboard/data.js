/*
 * What is known, and how it is asked for.  Everything kept here is bounded:
 * the page may stay open for months.
 */

const POLL_MS = 2000;
const HISTORY_EVERY = 2;        /* polls */
const STALE_MS = 8000;
const SLOWEST_MS = 10000;       /* between polls while nothing answers */
const RECENT_MAX = 1000;
const RECENT_STEP = 100;

/* the page is at the prefix, with or without a final slash */
const BASE = location.pathname.replace(/\/*$/, "/");

const state = {
    status: null,
    history: [],                /* objects, the oldest first */
    recent: { list: [], oldest: Infinity, held: null },
    answered: 0,                /* performance.now() of the last answer */
    failure: null,              /* why the last poll has failed, in words */
    skew: 0,                    /* the gateway's clock minus ours */
    polls: 0,

    page: "overview",
    id: null,                   /* of a request that is looked at */

    bearer: "",                 /* here and nowhere else */
    asked: {},                  /* name of a question -> its answer */
    hover: {},                  /* chart -> the step pointed at */
    choice: { by: "teams", what: "cost_nanousd" },
    filter: {},
    plan: null,                 /* what explain was asked */
    run: null,                  /* the scripted drill */

    /* usage records: how many were dropped, and when that was seen to grow */
    drops: { count: null, at_ms: null },
};


class Refused extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}


async function ask(path, options = {}) {
    let response;

    try {
        response = await fetch(BASE + path, {
            cache: "no-store", credentials: "same-origin", redirect: "error",
            signal: AbortSignal.timeout(5000), ...options });
    } catch (e) {
        throw new Error(e.name === "TimeoutError"
                        ? "no answer within 5 s"
                        : "the gateway cannot be reached");
    }

    const body = await response.json().catch(() => null);

    if (!response.ok) {
        throw new Refused(response.status, body && body.error
                          && body.error.message
                          || "the gateway answered " + response.status);
    }
    if (body === null) {
        throw new Error("the gateway's answer is not JSON");
    }

    return body;
}


const query = (values) => "?" + new URLSearchParams(values);


/* what changes something; asks for the bearer where it is missing or wrong */

async function command(method, path, body) {
    const options = { method, headers: { Authorization: "Bearer "
                                                        + state.bearer } };
    if (body) {
        options.headers["Content-Type"] = "application/json";
        options.body = JSON.stringify(body);
    }

    try {
        return await ask(path, options);
    } catch (e) {
        if (e.status === 401) {
            state.bearer = "";
            render();
        }
        throw e;
    }
}


const now = () => Date.now() + state.skew;
const age = () => performance.now() - state.answered;
const stale = () => state.status !== null && age() > STALE_MS;


function noticeDrops(status) {
    const count = (status.sink || {}).dropped || 0;

    if (state.drops.count !== null && count > state.drops.count) {
        state.drops.at_ms = status.now_ms;
    }
    state.drops.count = count;
}


function keepHistory(answer) {
    state.history = answer.points.slice(-360).map((point) =>
        Object.fromEntries(answer.fields.map((f, i) => [f, point[i]])));
}


/*
 * The newest requests are merged into those that are known.  When the two do
 * not touch, some were missed: then more are asked for at once.
 */

function keepRecent(answer) {
    const all = new Map(state.recent.list.map((r) => [r.event_id, r]));
    const touch = answer.requests.some((r) => all.has(r.event_id));

    if (!touch) {
        all.clear();
    }
    for (const r of answer.requests) {
        all.set(r.event_id, r);
    }

    const list = [...all.values()].sort((a, b) => b.ts_ms - a.ts_ms)
                                  .slice(0, RECENT_MAX);
    state.recent = {
        list, held: answer.held,
        /* nothing is missing after this moment */
        oldest: answer.held > list.length && list.length
                ? list[list.length - 1].ts_ms : 0,
    };
    return touch;
}


async function pollRecent() {
    const first = state.recent.list.length === 0;
    const answer = await ask("requests" + query({
                                limit: first ? RECENT_MAX / 2 : RECENT_STEP }));

    if (!keepRecent(answer) && !first
        && answer.requests.length === RECENT_STEP)
    {
        keepRecent(await ask("requests" + query({ limit: RECENT_MAX / 2 })));
    }
}


/* questions of a single page; their answers are forgotten when it is left */

const QUESTIONS = {
    list: () => state.page === "requests" && state.id === null
                ? "requests" + query({ limit: 100, ...state.filter }) : null,
    trail: () => state.id === null ? null
                 : "requests/" + encodeURIComponent(state.id),
    plan: () => state.page === "explain" && state.plan
                ? "explain" + query(state.plan) : null,
    faults: () => state.page === "drills" ? "faults" : null,
};


async function pollQuestion(name) {
    const path = QUESTIONS[name]();
    const had = state.asked[name];

    if (path === null) {
        delete state.asked[name];
        return;
    }
    if (!had || had.path !== path) {
        state.asked[name] = { path, answer: null, error: null };
    }

    const asked = { path, answer: null, error: null };

    try {
        asked.answer = await ask(path);
    } catch (e) {
        /* an answer that was there is better than none */
        asked.answer = had && had.path === path && !(e instanceof Refused)
                       ? had.answer : null;
        asked.error = e;
    }

    if (QUESTIONS[name]() === path) {
        state.asked[name] = asked;
    }
}


const pollQuestions = () => Promise.all(Object.keys(QUESTIONS)
                                        .map(pollQuestion));


async function poll() {
    try {
        const status = await ask("status");

        noticeDrops(status);
        state.status = status;
        state.skew = status.now_ms - Date.now();
        state.answered = performance.now();
        state.failure = null;

    } catch (e) {
        state.failure = e.message;
        return;
    }

    /* what of this does not come must not hide what does */
    const parts = [pollRecent(), pollQuestions()];

    if (state.polls++ % HISTORY_EVERY === 0) {
        parts.push(ask("history").then(keepHistory));
    }
    await Promise.allSettled(parts);
}


let pollTimer = null;
let pollWait = POLL_MS;

/* one at a time, none while nobody looks */

async function pollLoop() {
    clearTimeout(pollTimer);
    pollTimer = null;

    if (document.hidden) {
        return;
    }

    await poll();
    render();

    pollWait = state.failure ? Math.min(SLOWEST_MS, pollWait * 1.5) : POLL_MS;

    clearTimeout(pollTimer);
    pollTimer = setTimeout(pollLoop, pollWait);
}


function pollSoon() {
    if (pollTimer !== null) {
        clearTimeout(pollTimer);
        pollTimer = setTimeout(pollLoop, 0);
    }
}
