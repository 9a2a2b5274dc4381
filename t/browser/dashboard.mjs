/*
 * Copyright (C) nginx-ai-route contributors
 *
 * Every page of the dashboard, with a gateway made for it.  Run by
 * t/tools/browser-test, which starts that.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { chat, fault, traffic } from "./gateway.mjs";
import * as dash from "./page.mjs";

const EVIL = "x<img src=/stolen onerror=\"document.title='owned'\">"
             + "<script>document.title='owned'</script>";
const PAGES = ["", "accounts", "requests", "cost", "explain?model=m",
               "drills"];
const { AI_ADMIN } = process.env;
const { go, shot, wrong } = dash;

let browser, page, stop;

const headline = (...words) => dash.headline(page, ...words);
const text = (selector) => dash.text(page, selector);
const unlock = (bearer) => dash.unlock(page, bearer);


before(async () => {
    browser = await dash.launch();
    page = await dash.open(browser);
    stop = traffic("m");
});


after(async () => {
    stop();
    await browser.close();
});


test("all is well, and says so", async () => {
    await headline("All accounts healthy");
    await page.locator("table.requests tbody tr").nth(5).waitFor();
    assert.match(await text("#live"), /live/);
    assert.match(await page.title(), /^All accounts healthy/);

    /* by ai_price alone, without a map */
    await page.locator("dl.facts", { hasText: "known for all that was used" })
              .waitFor();
});


test("records dropped long ago are no news, those of now are", async () => {
    const heads = await page.evaluate(() => {
        const s = structuredClone(state.status);
        const kept = { ...state.drops };
        const head = () => diagnose(s, state.recent, state.history).headline;
        const all = [];

        for (const [dropped, later] of [[7, 0], [9, 0], [9, 600001]]) {
            s.sink.dropped = dropped;
            s.now_ms += later;
            if (all.length === 0) {
                state.drops = { count: null, at_ms: null };
            }
            noticeDrops(s);
            all.push(head());
        }
        state.drops = kept;
        return all;
    });

    assert.deepEqual(heads, ["All accounts healthy",
                             "9 usage records were dropped",
                             "All accounts healthy"]);
});


test("what has no counters of its own is named so", async () => {
    const names = await page.evaluate(() => [
        GROUPS.teams.name({ name: "" }), GROUPS.teams.name({ name: null }),
        GROUPS.models.name({ name: null })]);

    assert.deepEqual(names, ["(no team)", "(all others)", "(all others)"]);
});


test("a name that never answered is no illness of the account", async () => {
    const words = await page.evaluate(() => [0, 5].map((count) => {
        const place = { operate: "enabled", state: "cooling", percent: 100,
                        cause: "model_not_found", back_ms: null };
        const s = structuredClone(state.status);

        s.accounts[0].models.push({ ...place, model: "slip",
            cells: [{ ...place, breaker: { state: "closed" },
                      latency_ms: { count } }] });
        return diagnose(s, state.recent, state.history).headline;
    }));

    assert.equal(words[0], "All accounts healthy");
    assert.match(words[1], /^account_a \(slip\) is left alone/);
});


test("what opened a breaker is told: by a request, or the event", async () => {
    const words = await page.evaluate(() => [[1, 60], [2000], []]
                                            .map((ages) => {
        const s = structuredClone(state.status);
        const a = s.accounts[0];
        const at_ms = s.now_ms - 5000;
        const cell = { operate: "enabled", state: "tripped", percent: 100,
                       cause: "server_error", back_ms: at_ms + 10000,
                       breaker: { state: "open", since_ms: at_ms } };
        const tries = [{ account: a.name, verdict: "overloaded",
                         status: 503 }];

        a.models = [{ model: "m", operate: "enabled", state: "open",
                      cause: null, back_ms: null, cells: [cell] }];
        s.events = [{ at_ms, what: "opened", account: a.name,
                      detail: "timeout" }];

        const list = ages.map((age) => ({ ts_ms: at_ms - age, latency_ms: 0,
            outcome: "ok", account: "account_b", tries, excluded: [] }));

        return diagnose(s, { list, oldest: 0 }, state.history).headline;
    }));

    assert.match(words[0], /^account_a is down since 5 s: it answers 503/);
    assert.match(words[1], /^account_a is down since 5 s: no answer in time/);
    assert.match(words[2], /^account_a is down since 5 s: no answer in time/);
});


test("a plan says of the route what is so, not of its backups", async () => {
    const words = await page.evaluate(() => planWords({ model: "m", plan: [
        { candidates: [{ order: null, account: "a" }] },
        { candidates: [{ order: 1, account: "b" }] }] }));

    assert.equal(words, "No account of its route could take it now.");
});


test("a breaker opens, and the page says what was done", async () => {
    await fault("status=503");
    await headline(/^account_a is down since .*: it answers 503/);
    await page.locator(".problem-did",
        { hasText: /served by account_b instead, 0 lost/ }).waitFor();

    const verdict = await text(".verdict");

    assert.match(verdict, /Handled: clients are served/);
    assert.match(verdict, /next probe is sent|probe is under way/);
    assert.match(verdict, /its breaker is open|a single request is trying/i);
    assert.match(await text(".events"), /account_a breaker opened/);
    await shot(page, "outage");
});


test("a request is found by its id, and its trail tells all", async () => {
    /* one that met the failure: while the breaker is closed, or as a probe */
    let id, answer;

    for (let i = 0; i < 1000; i++) {
        id = "incident-" + i;
        answer = await chat("m", { "x-request-id": id });
        if (answer.headers["x-ai-attempts"] === "2") {
            break;
        }
        await page.waitForTimeout(20);
    }
    assert.equal(answer.headers["x-ai-attempts"], "2");

    const story = await dash.find(page, id);

    assert.match(story, /got a complete answer \(200\)/);
    assert.match(story, /account_a answered 503, overloaded/);
    assert.match(story, /account_b answered it/);
    assert.equal(await page.locator("table.tries tbody tr").count(), 2);
    await shot(page, "trail");

    /* the address is one that can be sent to a colleague */
    assert.ok(page.url().endsWith("#/requests/" + id));
    await page.reload();
    await page.locator(".story").waitFor();

    await go(page, "requests/no-such-id");
    await page.getByText("No remembered request has this id").waitFor();
});


test("the breaker closes, and the page says so", async () => {
    await go(page, "");
    await fault("");
    await headline("All accounts healthy", 30000);
    assert.match(await text(".events"), /account_a recovered/);
    assert.ok(await page.locator(".lane-bad").count() > 0);
});


test("a hostile name of a model is nothing but words", async () => {
    await chat(EVIL);
    await go(page, "requests");
    await page.getByText(EVIL, { exact: false }).first().waitFor();
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await page.locator("body script").count(), 0);
    assert.ok(!(await page.title()).includes("owned"));

    await page.getByText(EVIL, { exact: false }).first()
              .locator("xpath=ancestor::tr").locator("a").click();
    await page.locator("h2", { hasText: EVIL }).waitFor();
    assert.equal(await page.locator("img").count(), 0);
});


test("requests are filtered", async () => {
    await go(page, "requests");
    await page.locator("#filter-fallback").selectOption({ value: "any" });
    await page.waitForFunction(() => location.hash.includes("any"));
    await page.locator(".trail .step-bad").first().waitFor();

    const rows = await page.locator("table.requests tbody tr").count();

    assert.equal(await page.locator("tr:has(.step-bad)").count(), rows);
});


test("a wrong bearer is refused, and forgotten", async () => {
    await go(page, "accounts");
    await unlock("wrong");
    await page.getByRole("button", { name: "Drain account_b" }).click();
    await page.locator("dialog button[type=submit]").click();
    await page.locator("#says .wrong", { hasText: /bearer/ }).waitFor();
    await page.locator(".operator", { hasText: "Operator" }).waitFor();
});


test("an account is drained and enabled", async () => {
    await unlock(AI_ADMIN);
    await page.getByRole("button", { name: "Drain account_b" }).click();
    await page.getByText("No new requests go to it").waitFor();
    await page.locator("dialog button[type=submit]").click();
    await page.getByRole("button", { name: "Enable account_b" }).click();
    await page.locator("dialog button[type=submit]").click();
    await page.getByRole("button", { name: "Drain account_b" }).waitFor();
});


test("a scripted drill runs, judges and is kept", async () => {
    await dash.drill(page, "account_a", "4s", () => shot(page, "drill"));

    const report = JSON.parse(await dash.report(page, "JSON"));

    assert.equal(report.verdict, "pass");
    assert.ok(report.hit > 0);
    assert.equal(report.saved, report.hit);
    assert.equal(report.lost, 0);
    assert.ok(report.detection_ms >= 0);
    assert.ok(report.return_ms >= 0);
    assert.equal(report.fault.ended_by, "ttl");
    assert.match(await dash.report(page, "Markdown"), /^# Drill .*: pass\n/);
    await shot(page, "drill-report");
});


test("a fault is stopped by its button", async () => {
    await page.locator("#drill-ttl").fill("10m");
    await page.locator("#drill-percent").fill("1");
    await page.getByRole("button", { name: "Only inject" }).click();
    await page.getByRole("button", { name: "Inject", exact: true }).click();
    await page.getByRole("button", { name: /^Stop fault/ }).click();
    await page.getByText(/ended by operator/).first().waitFor();
});


test("the bearer is kept in memory alone", async () => {
    const kept = await page.evaluate(() => [
        localStorage.length, sessionStorage.length, document.cookie,
        document.documentElement.outerHTML, location.href].join("\n"));

    assert.ok(kept.startsWith("0\n0\n\n"));
    assert.ok(!kept.includes(AI_ADMIN));
    await page.reload();
    await page.locator(".operator", { hasText: "Operator" }).waitFor();
});


test("a plan is explained", async () => {
    await go(page, "explain");
    await page.locator("#explain-model").fill("m");
    await page.locator("#explain-model").press("Enter");
    await page.locator(".story", { hasText: "It would go to account_a" })
              .waitFor();
});


test("usage is by whom one likes", async () => {
    await go(page, "cost");
    await page.getByRole("button", { name: "Accounts" }).click();
    await page.getByRole("button", { name: "Requests" }).click();
    await page.locator(".bars li", { hasText: "account_a" }).waitFor();
    await page.locator("td", { hasText: /^account_b$/ }).waitFor();
});


test("charts are read with the keyboard", async () => {
    await go(page, "");
    await page.locator("#main .plot svg").first().focus();
    await page.keyboard.press("ArrowLeft");
    await page.locator(".chart-says", { hasText: "in 30 s" }).waitFor();
});


/* what sticks out at the right, but for what scrolls by itself */

const wide = () => [...document.querySelectorAll("body *")]
    .filter((e) => !e.closest(".scroll, .nav")
                   && e.getBoundingClientRect().right > innerWidth + 1)
    .map((e) => e.tagName + "." + e.getAttribute("class"));


test("in the dark, on a phone, without motion", async () => {
    const dark = await dash.open(browser, { colorScheme: "dark",
                                            reducedMotion: "reduce" });

    assert.equal(await dark.evaluate(() =>
        getComputedStyle(document.querySelector(".dot")).animationName),
        "none");
    for (const name of PAGES) {
        await go(dark, name);
        await shot(dark, "dark-" + (name.split("?")[0] || "overview"));
    }
    await dark.context().close();

    const phone = await dash.open(browser, { viewport: { width: 375,
                                                         height: 740 },
                                             hasTouch: true, isMobile: true });

    for (const name of PAGES) {
        await go(phone, name);
        assert.deepEqual(await phone.evaluate(wide), [],
                         "nothing is too wide in " + name);
        assert.equal(await phone.evaluate(() => visualViewport.width
                                 - document.documentElement.scrollWidth), 0);
        await shot(phone, "phone-" + (name.split("?")[0] || "overview"));
    }
    await phone.context().close();
});


test("no complaint, no policy violated, nobody else asked", () => {
    assert.deepEqual(wrong, []);
});


test("a gateway that is gone is said to be", async () => {
    process.kill(Number(process.env.AI_NGINX_PID), "SIGQUIT");
    await page.locator("#alarm", { hasText: /cannot be reached/ })
              .waitFor({ timeout: 15000 });
    assert.match(await text("#alarm"), /What is shown is of/);
    assert.match(await text("#live"), /not live/);
    assert.match(await page.title(), /^\?/);
    await shot(page, "gone");
});
