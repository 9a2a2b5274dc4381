/*
 * Copyright (C) nginx-ai-route contributors
 *
 * What the browser's tests do besides browsing: send requests to the gateway,
 * and tell the simulated providers what to answer.
 */

import { request } from "node:http";

const { AI_BASE, AI_PROVIDER_A } = process.env;


function send(method, url, headers, body) {
    return new Promise((resolve, reject) => {
        const r = request(url, { method, headers, timeout: 10000 }, (res) => {
            let text = "";

            res.setEncoding("utf8");
            res.on("data", (part) => { text += part; });
            res.on("end", () => resolve({ status: res.statusCode,
                                          headers: res.headers, text }));
        });

        r.on("timeout", () => r.destroy(new Error("timeout")));
        r.on("error", reject);
        r.end(body);
    });
}


export function chat(model, headers = {}) {
    return send("POST", AI_BASE + "/v1/chat/completions",
                { "content-type": "application/json",
                  authorization: "Bearer sk-browser", ...headers },
                JSON.stringify({ model, messages: [{ role: "user",
                                                     content: "hello" }] }));
}


export const page = () => send("GET", AI_BASE + "/ai/", {});


/* of account a's provider; "" heals it */

export async function fault(script) {
    const answer = await send("POST", AI_PROVIDER_A + "/__fault", {}, script);

    if (answer.status !== 200) {
        throw new Error("the provider refuses " + script);
    }
}


/* about ten requests a second, until it is stopped */

export function traffic(model) {
    const timer = setInterval(() => chat(model).catch(() => {}), 100);

    return () => clearInterval(timer);
}
