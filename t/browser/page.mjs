/*
 * Copyright (C) nginx-ai-route contributors
 *
 * A dashboard opened in headless Chromium, and watched: whatever no page may
 * do - complain, break the policy, ask somebody else - is kept in "wrong".
 */

import { readFile } from "node:fs/promises";

import { chromium } from "playwright-core";

const { AI_BASE, AI_CHROMIUM, AI_SHOTS } = process.env;
const URL_ = AI_BASE + "/ai/";

export const wrong = [];


export function launch() {
    /* a browser's own sandbox does not start for root */
    const root = process.getuid() === 0;

    return chromium.launch({ executablePath: AI_CHROMIUM,
                             args: root ? ["--no-sandbox"] : [] });
}


export async function open(browser, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1360,
                                                           height: 900 },
                                               ...options });
    const page = await context.newPage();

    await page.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", (e) =>
            console.error("policy: " + e.violatedDirective + " "
                          + e.blockedURI));
    });
    page.on("console", (m) => {
        if (["error", "warning"].includes(m.type())
            && !/status of 40[14]/.test(m.text()))
        {
            wrong.push(m.text());
        }
    });
    page.on("pageerror", (e) => wrong.push(e.stack));
    page.on("request", (r) => {
        if (!r.url().startsWith(URL_) && !r.url().startsWith("blob:")) {
            wrong.push("asked for " + r.url());
        }
    });

    await page.goto(URL_);
    await page.waitForSelector(".page");
    return page;
}


export const shot = (page, name) =>
    page.screenshot({ path: AI_SHOTS + "/" + name + ".png", fullPage: true });


export async function go(page, hash) {
    await page.evaluate((h) => { location.hash = h; }, "#/" + hash);
    await page.waitForTimeout(600);
}


export const headline = (page, words, timeout = 20000) =>
    page.locator(".verdict h1", { hasText: words }).waitFor({ timeout });


export const text = (page, selector) =>
    page.locator(selector).first().innerText();


/* the operator's bearer, asked for by the page */

export async function unlock(page, bearer) {
    await page.locator(".operator").click();
    await page.locator("#bearer").fill(bearer);
    await page.locator("dialog button[type=submit]").click();
}


export async function find(page, id) {
    await page.locator("#find-id").fill(id);
    await page.locator("#find-id").press("Enter");
    await page.locator("h1.id", { hasText: id }).waitFor();
    await page.locator(".story").waitFor();
    return text(page, ".story");
}


/* runs the scripted drill of the page's form, from "Run" to its verdict */

export async function drill(page, account, ttl, during) {
    await go(page, "drills");
    await page.locator("#drill-account").selectOption(account);
    await page.locator("#drill-ttl").fill(ttl);
    await page.getByRole("button", { name: "Run a scripted drill" }).click();
    await page.getByRole("button", { name: "Run the drill" }).click();
    await page.locator(".run h2", { hasText: "A drill is under way" })
              .waitFor();
    await during?.();
    await page.locator(".run h2", { hasText: "The drill has passed" })
              .waitFor({ timeout: 60000 });
}


/* a file of the drill's report, by the name of its button */

export async function report(page, name) {
    const [file] = await Promise.all([
        page.waitForEvent("download"),
        page.locator(".run").getByRole("button", { name }).click()]);

    return readFile(await file.path(), "utf8");
}
