/*
 * Numbers, times and money as they are read.  What is not known is a dash,
 * never a zero.
 */

const DASH = "\u2013";

const known = (v) => v !== null && v !== undefined && !Number.isNaN(v);
const plural = (n, one, many) => count(n) + " " + (n === 1 ? one : many
                                                   || one + "s");
const sum = (list, field) => list.reduce((all, x) => all + (x[field] || 0), 0);


function count(n) {
    if (!known(n)) {
        return DASH;
    }

    if (Math.abs(n) < 100000) {
        return Math.round(n).toLocaleString("en-US");
    }

    for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
        if (Math.abs(n) >= size) {
            const v = n / size;
            return v.toFixed(v < 100 ? 1 : 0) + " " + unit;
        }
    }
}


function rate(n) {
    if (!known(n)) {
        return DASH;
    }
    return n === 0 ? "0" : n < 10 ? n.toFixed(n < 1 ? 2 : 1) : count(n);
}


function percent(part, all) {
    if (!known(part) || !all) {
        return DASH;
    }

    const p = part / all * 100;

    /* "100 %" and "0 %" are said of nothing else */
    if (p === 0 || p === 100) {
        return p + " %";
    }
    return Math.min(99.99, Math.max(0.01, p)).toFixed(p > 99 || p < 1 ? 2 : 1)
           + " %";
}


function ms(n) {
    if (!known(n)) {
        return DASH;
    }
    if (n < 1000) {
        return Math.round(n) + " ms";
    }
    return n < 10000 ? (n / 1000).toFixed(2) + " s" : span(n);
}


/* a length of time, coarsely: "12 s", "3 min 20 s", "2 h 5 min", "4 d" */

function span(n) {
    if (!known(n)) {
        return DASH;
    }

    const s = Math.max(0, Math.round(n / 1000));

    if (s < 60) {
        return s + " s";
    }
    if (s < 600 && s % 60) {
        return Math.floor(s / 60) + " min " + s % 60 + " s";
    }
    if (s < 3600) {
        return Math.floor(s / 60) + " min";
    }
    if (s < 86400) {
        const m = Math.floor(s % 3600 / 60);
        return Math.floor(s / 3600) + " h" + (m ? " " + m + " min" : "");
    }
    return Math.floor(s / 86400) + " d";
}


function money(nano) {
    if (!known(nano)) {
        return DASH;
    }

    const usd = nano / 1e9;

    if (usd === 0) {
        return "$0";
    }
    if (Math.abs(usd) >= 1) {
        return "$" + usd.toLocaleString("en-US", { minimumFractionDigits: 2,
                                                   maximumFractionDigits: 2 });
    }
    return "$" + (Math.abs(usd) < 0.000001 ? usd.toExponential(1)
                                           : usd.toPrecision(2));
}


function bytes(n) {
    if (!known(n)) {
        return DASH;
    }

    for (const [unit, size] of [["GB", 2 ** 30], ["MB", 2 ** 20],
                                ["KB", 2 ** 10]]) {
        if (n >= size) {
            return (n / size).toFixed(n / size < 10 ? 1 : 0) + " " + unit;
        }
    }
    return n + " B";
}


function clock(at, seconds = true) {
    if (!known(at)) {
        return DASH;
    }
    return new Date(at).toLocaleTimeString("en-GB",
                            seconds ? undefined
                                    : { hour: "2-digit", minute: "2-digit" });
}


function moment(at) {
    if (!known(at)) {
        return DASH;
    }

    const day = new Date(at).toDateString();

    return day === new Date().toDateString()
           ? clock(at)
           : new Date(at).toLocaleString("en-GB", { dateStyle: "medium",
                                                    timeStyle: "medium" });
}


/* of the gateway's own words, never of a name */
const sentence = (words) => words && words[0].toUpperCase() + words.slice(1)
                            + ".";

const or = (v) => known(v) && v !== "" ? String(v) : DASH;
