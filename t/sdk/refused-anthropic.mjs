// Copyright (C) nginx-ai-route contributors
//
// The gateway's refusals in Anthropic's own client.  t/tools/sdk-test runs
// this; its nginx.conf has the keys and the models.

import assert from "node:assert/strict";
import test from "node:test";

import Anthropic from "@anthropic-ai/sdk";

import { baseURL, collect, expectRecord, fetchWithId, messages, refused,
         requestsOf } from "./gateway.mjs";

const model = "claude-sonnet";

function as(name, options) {
  return new Anthropic({
    // it appends /v1 itself
    baseURL: baseURL.replace(/\/v1$/, ""), apiKey: `sk-claude${name}`,
    authToken: null, fetch: fetchWithId, timeout: 20000, ...options,
  });
}

function ask(client, more = {}, options = {}) {
  return client.messages.create(
    { model, max_tokens: 20, messages, ...more }, options);
}

const refusals = [
  {
    name: "an unknown key",
    key: "-nobody", status: 401, type: Anthropic.AuthenticationError,
    errorType: "authentication_error", says: /key is not valid/,
    record: { error_class: "auth", key_id: "-" },
  },
  {
    name: "an expired key",
    key: "-old", status: 401, type: Anthropic.AuthenticationError,
    errorType: "authentication_error", says: /key has expired/,
    record: { error_class: "auth", key_id: "claude-old" },
  },
  {
    name: "a model that is not the key's",
    key: "-mini", status: 403, type: Anthropic.PermissionDeniedError,
    errorType: "permission_error", says: /"claude-sonnet"/,
    record: { error_class: "permission", key_id: "claude-mini" },
  },
  {
    name: "a class that is not the key's",
    key: "-slow", headers: { "X-AI-Class": "quick" },
    status: 403, type: Anthropic.PermissionDeniedError,
    errorType: "permission_error", says: /"quick".* allowed are: slow$/,
    record: { error_class: "permission", key_id: "claude-slow" },
  },
  {
    name: "an unknown class",
    headers: { "X-AI-Class": "nonsense" },
    status: 400, type: Anthropic.BadRequestError,
    errorType: "invalid_request_error", says: /known are: .*quick/,
    record: { error_class: "invalid_request", key_id: "claude" },
  },
  {
    name: "an unknown model",
    body: { model: "no-such-model" },
    status: 404, type: Anthropic.NotFoundError,
    errorType: "not_found_error", says: /"no-such-model"/,
    record: { error_class: "model_not_found", key_id: "claude" },
  },
  {
    name: "a budget that is spent for good",
    key: "-total", status: 429, type: Anthropic.RateLimitError,
    errorType: "rate_limit_error",
    says: /"claude-total" would exceed its budget of 0\.000001 usd in total/,
    record: { error_class: "quota_exhausted", key_id: "claude-total" },
  },
];

for (const r of refusals) {
  for (const stream of [false, true]) {
    test(`${r.name}${stream ? ", of a stream" : ""}`, async () => {
      const error = await refused(
        () => ask(as(r.key ?? ""), { stream, ...r.body },
          { headers: r.headers }),
        r.type, r.status, r.record);

      assert.equal(error.type, r.errorType);
      assert.match(error.apiMessage, r.says);
    });
  }
}


test("a message, whole and streamed", async () => {
  const client = as("");
  const whole = await ask(client);
  const stream = client.messages.stream({ model, max_tokens: 20, messages });
  const last = await stream.finalMessage();

  assert.match(whole.content[0].text, /^word0 word1/);
  assert.match(whole._request_id, /^[0-9a-f-]{36}$/);
  assert.equal(last.content[0].text, whole.content[0].text);
  assert.match(last.stop_reason, /^(end_turn|max_tokens)$/);
});


test("the stream helper's error", async () => {
  await refused(
    () => as("-total").messages.stream({ model, max_tokens: 20, messages })
      .finalMessage(),
    Anthropic.RateLimitError, 429,
    { error_class: "quota_exhausted", key_id: "claude-total" });
});


test("requests per day: a RateLimitError at once", async () => {
  const client = as("-day");

  await ask(client);

  const error = await refused(() => ask(client), Anthropic.RateLimitError, 429,
    { error_class: "rate_limit", key_id: "claude-day" });

  assert.equal(error.type, "rate_limit_error");
  assert.match(error.apiMessage, /limit of 1 requests per day, try again/);
  assert.ok(Number(error.headers.get("retry-after")) > 80000);
  assert.equal(error.headers.get("x-should-retry"), "false");
});


test("tokens per day", async () => {
  const client = as("-tokens");

  await ask(client);

  const error = await refused(() => ask(client, { max_tokens: 990 }),
    Anthropic.RateLimitError, 429,
    { error_class: "rate_limit", key_id: "claude-tokens" });

  assert.match(error.apiMessage, /limit of 1000 tokens per day, try again/);
});


test("requests per second: the client waits as it is told", async () => {
  const client = as("-second");
  const { result, error, sent } = await requestsOf(() => Promise.all(
    [1, 2].map(() => ask(client).withResponse())));

  assert.ifError(error);
  assert.equal(sent.length, 3, "one of them is sent again");
  assert.ok(sent[2].at - sent[1].at > 950, "after a second");

  const served = result.map(({ request_id: id }) => id);

  for (const { id } of sent.filter((s) => !served.includes(s.id))) {
    expectRecord(id, { outcome: "rejected", status: 429,
      key_id: "claude-second", error_class: "rate_limit" });
  }
});


test("requests at once", async () => {
  const client = as("-one");
  const stream = await ask(client, { stream: true, max_tokens: 1000 },
    { headers: { "X-Sim": "words=400,gap=25" } });
  const record = { error_class: "rate_limit", key_id: "claude-one" };
  const error = await refused(() => ask(as("-one", { maxRetries: 0 })),
    Anthropic.RateLimitError, 429, record);

  assert.match(error.apiMessage, /limit of 1 requests at once running/);
  setTimeout(() => stream.controller.abort(), 100);

  const { result, sent } = await requestsOf(() => ask(client));

  assert.equal(result.type, "message");
  assert.equal(sent.length, 2);
  expectRecord(sent[0].id, { outcome: "rejected", status: 429, ...record });
});


test("money per day: spent, and no retry", async () => {
  const client = as("-money");
  let served = 0;
  let last;

  // its reservation is for so many tokens
  do {
    last = await requestsOf(() => ask(client, { max_tokens: 1024 }));
  } while (!last.error && ++served < 100);

  assert.ok(served > 0 && served < 100, `${served} were served`);
  assert.ok(last.error instanceof Anthropic.RateLimitError,
    last.error.constructor.name);
  assert.equal(last.sent.length, 1);
  assert.match(last.error.apiMessage,
    /budget of 0\.011 usd per day, .* it begins anew at .*T00:00:00Z$/);
  expectRecord(last.sent[0].id, { outcome: "rejected", status: 429,
    error_class: "quota_exhausted", key_id: "claude-money" });
});


test("models", async () => {
  const list = await collect(as("").models.list());

  assert.ok(list.some((m) => m.id === model));
  assert.equal((await as("").models.retrieve(model)).id, model);
});
