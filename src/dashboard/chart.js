/*
 * Charts of the last hour.  Drawn in a box of fixed units that is stretched
 * to its place (strokes are not), hence nothing is measured and nothing is
 * drawn again when the window changes; words stand beside it, not in it.
 */

const HOUR_MS = 3600000;
const WIDE = 720;


/* the history in equal steps, also where nothing happened */

function steps(history, fields, step_ms, to) {
    const last = Math.floor(to / step_ms) * step_ms;
    const n = HOUR_MS / step_ms;
    const all = Array.from({ length: n }, (_, i) => ({
        at_ms: last - (n - 1 - i) * step_ms, known: false,
        ...Object.fromEntries(fields.map((f) => [f, 0])) }));

    for (const p of history) {
        const at = n - 1 - (last - Math.floor(p.at_ms / step_ms) * step_ms)
                           / step_ms;
        if (at < 0 || at >= n) {
            continue;
        }

        all[at].known = true;
        for (const f of fields) {
            /* a maximum stays one, the rest adds up */
            all[at][f] = /_(p50|p99|max)_ms$/.test(f)
                         ? Math.max(all[at][f], p[f] || 0)
                         : all[at][f] + (p[f] || 0);
        }
    }

    return all;
}


/* a round number not below it, for an axis */

function ceiling(v) {
    if (!(v > 0)) {
        return 1;
    }

    const power = 10 ** Math.floor(Math.log10(v));

    return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((m) => m * power >= v) * power;
}


function columnsPath(from, to, tall, top) {
    const width = WIDE / from.length;
    const y = (v) => tall - v / top * tall;
    let d = "";

    from.forEach((low, i) => {
        if (to[i] > low) {
            d += "M" + (i * width + width * 0.12).toFixed(1) + " "
                 + y(low).toFixed(1) + "V" + y(to[i]).toFixed(1)
                 + "h" + (width * 0.76).toFixed(1)
                 + "V" + y(low).toFixed(1) + "z";
        }
    });

    return d;
}


function linePath(values, tall, top) {
    const width = WIDE / values.length;
    let d = "", down = false;

    values.forEach((v, i) => {
        if (!known(v)) {
            down = false;
            return;
        }
        d += (down ? "L" : "M") + ((i + 0.5) * width).toFixed(1) + " "
             + (tall - Math.min(v, top) / top * tall).toFixed(1);

        /* one alone would not be seen */
        if (!down && !known(values[i + 1])) {
            d += "h3";
        }
        down = true;
    });

    return d;
}


/*
 * o: id, title, points, columns and lines (each name, class, value of a
 * point), unit (words of a value), marks (at_ms, level, words), says (what a
 * point is in words).
 */

function chart(o) {
    const tall = o.tall || 120;
    const stacks = [];
    let low = o.points.map(() => 0);

    for (const c of o.columns || []) {
        const high = low.map((v, i) => v + c.value(o.points[i]));

        stacks.push({ ...c, d: [low, high] });
        low = high;
    }

    const lines = (o.lines || []).map((l) => ({ ...l,
                                               values: o.points.map(l.value)
                                             }));
    const top = ceiling(Math.max(...low, ...lines.flatMap((l) => l.values)
                                                 .filter(known)));
    const at = state.hover[o.id];
    const point = at === undefined ? null : o.points[at];
    const from = o.points[0].at_ms;
    const x = (ms) => (ms - from) / HOUR_MS * WIDE;

    return h("figure", { class: "chart", key: o.id },
        h("figcaption", null,
          h("span", { class: "chart-title" }, o.title),
          h("span", { class: "legend" },
            [...(o.columns || []), ...(o.lines || [])].map((s) =>
                h("span", { class: "key key-" + s.class }, s.name)))),
        h("div", { class: "plot" },
          h("span", { class: "axis-top" }, o.unit(top)),
          h("svg", { viewBox: "0 0 " + WIDE + " " + tall,
                     preserveAspectRatio: "none", role: "img", tabindex: "0",
                     "aria-label": o.title + ". " + o.summary
                                   + " The arrow keys read single steps.",
                     onpointermove: (e) => hoverAt(o, e),
                     onpointerleave: () => hoverSet(o.id, undefined),
                     onblur: () => hoverSet(o.id, undefined),
                     onkeydown: (e) => hoverKey(o, e) },
            hatch(o.id),
            [0.5, 1].map((part) => h("line", {
                class: "grid", x1: 0, x2: WIDE, y1: tall - part * tall + 0.5,
                y2: tall - part * tall + 0.5 })),
            (o.marks || []).filter((m) => m.at_ms >= from).map((m) =>
                h("line", { class: "mark mark-" + m.level, x1: x(m.at_ms),
                            x2: x(m.at_ms), y1: 0, y2: tall },
                  h("title", null, m.words))),
            stacks.map((s) => h("path", {
                class: "column column-" + s.class,
                fill: s.hatched ? "url(#hatch-" + o.id + "-" + s.class + ")"
                                : undefined,
                d: columnsPath(...s.d, tall, top) })),
            lines.map((l) => h("path", { class: "line line-" + l.class,
                                         d: linePath(l.values, tall, top) })),
            point && h("line", { class: "cursor",
                                 x1: (at + 0.5) * WIDE / o.points.length,
                                 x2: (at + 0.5) * WIDE / o.points.length,
                                 y1: 0, y2: tall }))),
        h("div", { class: "axis" },
          ["60 min ago", "45", "30", "15", "now"].map((t) =>
              h("span", null, t))),
        h("p", { class: "chart-says" },
          point ? clock(point.at_ms) + "  " + o.says(point) : o.summary));
}


/* what must not be told by its colour alone is hatched */

function hatch(id) {
    return h("defs", null,
        [["saved", 45], ["failed", -45]].map(([name, angle]) =>
            h("pattern", { id: "hatch-" + id + "-" + name, width: 5, height: 5,
                           patternUnits: "userSpaceOnUse",
                           patternTransform: "rotate(" + angle + ")" },
              h("rect", { class: "hatch-" + name, width: 5, height: 5 }),
              h("line", { class: "hatch-line", x1: 0, y1: 0, x2: 0,
                          y2: 5 }))));
}


function hoverSet(id, at) {
    if (state.hover[id] !== at) {
        state.hover[id] = at;
        render();
    }
}


function hoverAt(o, event) {
    const box = event.currentTarget.getBoundingClientRect();
    const part = (event.clientX - box.left) / box.width;

    hoverSet(o.id, Math.max(0, Math.min(o.points.length - 1,
                                        Math.floor(part * o.points.length))));
}


function hoverKey(o, event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];

    if (move) {
        const at = state.hover[o.id] ?? o.points.length - 1 - move;

        event.preventDefault();
        hoverSet(o.id, Math.max(0, Math.min(o.points.length - 1, at + move)));
    }
}


/*
 * Breakers over the last hour: a lane for each account, filled where one of
 * its breakers was open.  Only as far back as events are kept.
 */

function lanes(s) {
    const to = s.now_ms, from = to - HOUR_MS;
    const x = (at) => Math.max(0, (at - from) / HOUR_MS * WIDE);
    const events = [...(s.events || [])].reverse()
                   .filter((e) => e.account);

    return (s.accounts || []).map((account) => {
        const open = new Map();
        const bars = [], ticks = [];

        for (const e of events) {
            if (e.account !== account.name) {
                continue;
            }

            const cell = [e.model, e.endpoint, e.stream].join("\n");

            if (e.what === "opened" || e.what === "reopened") {
                if (!open.has(cell)) {
                    open.set(cell, e.at_ms);
                }
            } else if (e.what === "recovered") {
                if (open.has(cell)) {
                    bars.push([open.get(cell), e.at_ms]);
                    open.delete(cell);
                }
            } else if (e.what === "reset") {
                open.forEach((began) => bars.push([began, e.at_ms]));
                open.clear();
            } else {
                ticks.push(e);
            }
        }

        open.forEach((began) => bars.push([began, to]));

        return { account, ticks: ticks.filter((e) => e.at_ms >= from)
                                      .map((e) => ({ ...e, x: x(e.at_ms) })),
                 bars: bars.filter(([, end]) => end >= from)
                           .map(([a, b]) => [x(a), Math.max(3, x(b) - x(a)),
                                             b - a]) };
    });
}


/* a share as a bar, and in words beside it */

function bar(part, level, label) {
    const p = Math.max(0, Math.min(1, part || 0));

    return h("span", { class: "meter meter-" + level, role: "img",
                       "aria-label": label },
             h("span", { css: { width: (p * 100).toFixed(1) + "%" } }));
}
