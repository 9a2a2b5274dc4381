/*
 * Copyright (C) nginx-ai-route contributors
 *
 * An outage, a request's trail and a drill, as one who has started "make demo"
 * sees them.  Run by t/tools/browser-test, with what the demo has printed.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { chat, fault, traffic } from "./gateway.mjs";
import * as dash from "./page.mjs";

const MODEL = "gpt-4o-mini";
const { AI_ADMIN } = process.env;

let browser, page, stop;

const headline = (...words) => dash.headline(page, ...words);
const text = (selector) => dash.text(page, selector);


before(async () => {
    browser = await dash.launch();
    page = await dash.open(browser);
    stop = traffic(MODEL);
});


after(async () => {
    stop();
    await browser.close();
});


test("what the demo has done is on the page", async () => {
    await dash.go(page, "requests");
    await page.locator("table.requests tbody tr",
                       { hasText: "no-such-model" }).waitFor();
});


test("account a answers 503, as the demo says; its breaker opens", async () =>
{
    await dash.go(page, "");
    await headline(/^account_a .*is down since .*: it answers 503/);
    await page.locator(".problem-did",
        { hasText: /served by account_b instead/ }).waitFor();
    assert.match(await text(".verdict"), /Handled: clients are served/);
    assert.match(await text(".events"), /account_a breaker opened/);
    await dash.shot(page, "demo-outage");
});


test("a request is found by its id", async () => {
    const answer = await chat(MODEL, { "x-request-id": "demo-incident" });

    assert.equal(answer.status, 200);
    assert.equal(answer.headers["x-request-id"], "demo-incident");

    const story = await dash.find(page, "demo-incident");

    assert.match(story, /got a complete answer \(200\)/);
    assert.match(story, /account_a was not asked: its breaker is open/);
    assert.match(story, /account_b answered it/);
    await dash.shot(page, "demo-trail");
});


test("account a is healed, and its breaker closes", async () => {
    await dash.go(page, "");
    await fault("");

    /* those that failed in the demo's own traffic are still told of */
    await headline(/^\d+ requests failed in the last/, 60000);
    await page.locator(".verdict",
        { hasText: "No account is known to be ill" }).waitFor();
    assert.match(await text(".events"), /account_a recovered/);
});


test("a drill runs, with the demo's bearer, and passes", async () => {
    await dash.unlock(page, AI_ADMIN);
    await dash.drill(page, "account_a", "4s");

    const report = JSON.parse(await dash.report(page, "JSON"));

    assert.equal(report.verdict, "pass");
    assert.ok(report.hit > 0);
    assert.equal(report.saved, report.hit);
    assert.equal(report.lost, 0);
    await dash.shot(page, "demo-drill-report");
});


test("no complaint, no policy violated, nobody else asked", () => {
    assert.deepEqual(dash.wrong, []);
});
