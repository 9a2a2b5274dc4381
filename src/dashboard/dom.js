/*
 * Copyright (C) nginx-ai-route contributors
 *
 * The operator's dashboard.  This file: how nodes are made and kept up to
 * date.  A view is a function of the state that returns a description of its
 * nodes, h(); patch() changes what is there into what is described, so that
 * focus, selection and scroll positions outlive a poll.  Text is only ever
 * put into text nodes: what came from a provider or a client is never markup.
 */

"use strict";

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "g", "path", "line", "rect", "circle", "text",
                          "title", "defs", "pattern"]);

/* node -> what was described at the last time */
const described = new WeakMap();


function h(tag, props, ...kids) {
    return { tag, props: props || {}, key: props ? props.key : undefined,
             kids: kids.flat(Infinity)
                       .filter((kid) => kid !== null && kid !== undefined
                                        && kid !== false)
                       .map((kid) => kid.tag ? kid : text(kid)) };
}


function text(value) {
    return { tag: "#text", props: {}, kids: [], text: String(value) };
}


function setProp(node, name, value) {
    if (name === "key") {
        return;
    }

    if (name.startsWith("on")) {
        node[name] = value || null;

    } else if (name === "css") {
        /* by the object model: the page's policy has no inline styles */
        for (const [property, v] of Object.entries(value || {})) {
            node.style.setProperty(property, v);
        }

    } else if (name === "value") {
        node.value = value ?? "";

    } else if (name === "checked") {
        node.checked = Boolean(value);

    } else if (value === false || value === null || value === undefined) {
        node.removeAttribute(name);

    } else {
        node.setAttribute(name, value === true ? "" : value);
    }
}


function create(v) {
    if (v.tag === "#text") {
        return document.createTextNode(v.text);
    }

    const node = SVG_TAGS.has(v.tag) ? document.createElementNS(SVG, v.tag)
                                     : document.createElement(v.tag);

    patch(node, v.kids);

    /* after the children: a select's value is one of them */
    for (const [name, value] of Object.entries(v.props)) {
        setProp(node, name, value);
    }

    return node;
}


function update(node, old, v) {
    if (v.tag === "#text") {
        if (old.text !== v.text) {
            node.data = v.text;
        }
        return;
    }

    patch(node, v.kids);

    for (const name of Object.keys(old.props)) {
        if (!(name in v.props)) {
            setProp(node, name, null);
        }
    }

    for (const [name, value] of Object.entries(v.props)) {
        if (old.props[name] !== value) {
            setProp(node, name, value);
        }
    }
}


/* with a key a node is found again by it, else by its place */

function patch(parent, next) {
    const old = described.get(parent) || [];
    const keyed = new Map();
    const loose = [];
    const kept = new Set();

    for (const o of old) {
        if (o.key === undefined) {
            loose.push(o);
        } else {
            keyed.set(o.key, o);
        }
    }

    let at = 0;

    for (const v of next) {
        const o = v.key === undefined ? loose[at++] : keyed.get(v.key);

        if (o && o.tag === v.tag && !kept.has(o)) {
            kept.add(o);
            v.node = o.node;
            update(v.node, o, v);

        } else {
            v.node = create(v);
        }
    }

    for (const o of old) {
        if (!kept.has(o)) {
            o.node.remove();
        }
    }

    let place = parent.firstChild;

    for (const v of next) {
        if (v.node === place) {
            place = place.nextSibling;
        } else {
            parent.insertBefore(v.node, place);
        }
    }

    described.set(parent, next);
}


function show(id, ...views) {
    patch(document.getElementById(id), h("div", null, ...views).kids);
}


/* the values of a form's named fields, without the empty ones */

function fields(form) {
    const values = {};

    for (const field of form.elements) {
        if (!field.name) {
            continue;
        }

        const value = field.type === "checkbox" ? (field.checked ? "1" : "")
                                                : field.value.trim();
        if (value !== "") {
            values[field.name] = value;
        }
    }

    return values;
}
