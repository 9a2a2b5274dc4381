// Copyright (C) nginx-ai-route contributors
//
// What becomes of the gateway's refusals in OpenAI's own client: the right
// exception, which names the limit, and no retry that cannot help.
// t/tools/sdk-test runs this; its nginx.conf has the keys and the models.

import assert from "node:assert/strict";
import test from "node:test";

import OpenAI from "openai";

import { baseURL, collect, expectRecord, fetchWithId, messages, refused,
         requestsOf } from "./gateway.mjs";

const model = "gpt-4o";

// With the client's own retries: two, unless it is told not to.

function as(name, options) {
  return new OpenAI({
    baseURL, apiKey: `sk-node${name}`, fetch: fetchWithId, timeout: 20000,
    ...options,
  });
}

function chat(client, more = {}, options = {}) {
  return client.chat.completions.create({ model, messages, ...more }, options);
}

const refusals = [
  {
    name: "an unknown key",
    key: "-nobody", status: 401, type: OpenAI.AuthenticationError,
    code: "invalid_api_key", says: /key is not valid/,
    record: { error_class: "auth", key_id: "-" },
  },
  {
    name: "a disabled key",
    key: "-off", status: 401, type: OpenAI.AuthenticationError,
    code: "invalid_api_key", says: /key is not valid/,
    record: { error_class: "auth", key_id: "node-off" },
  },
  {
    name: "an expired key",
    key: "-old", status: 401, type: OpenAI.AuthenticationError,
    code: "invalid_api_key", says: /key has expired/,
    record: { error_class: "auth", key_id: "node-old" },
  },
  {
    name: "a model that is not the key's",
    key: "-mini", status: 403, type: OpenAI.PermissionDeniedError,
    code: "model_not_allowed", param: "model", says: /"gpt-4o"/,
    record: { error_class: "permission", key_id: "node-mini" },
  },
  {
    name: "a class that is not the key's",
    key: "-slow", headers: { "X-AI-Class": "quick" },
    status: 403, type: OpenAI.PermissionDeniedError,
    code: "class_not_allowed", says: /"quick".* allowed are: slow$/,
    record: { error_class: "permission", key_id: "node-slow" },
  },
  {
    name: "an unknown class",
    headers: { "X-AI-Class": "nonsense" },
    status: 400, type: OpenAI.BadRequestError,
    code: "invalid_request_error", says: /known are: .*quick/,
    record: { error_class: "invalid_request", key_id: "node" },
  },
  {
    name: "an unknown model",
    body: { model: "no-such-model" },
    status: 404, type: OpenAI.NotFoundError,
    code: "model_not_found", param: "model", says: /"no-such-model"/,
    record: { error_class: "model_not_found", key_id: "node" },
  },
  {
    name: "a budget that is spent for good",
    key: "-total", status: 429, type: OpenAI.RateLimitError,
    code: "insufficient_quota", errorType: "insufficient_quota",
    says: /"node-total" would exceed its budget of 0\.000001 usd in total/,
    absent: ["retry-after"],
    record: { error_class: "quota_exhausted", key_id: "node-total" },
  },
];

for (const r of refusals) {
  for (const stream of [false, true]) {
    test(`${r.name}${stream ? ", of a stream" : ""}`, async () => {
      const error = await refused(
        () => chat(as(r.key ?? ""), { stream, ...r.body },
          { headers: r.headers }),
        r.type, r.status, r.record);

      assert.equal(error.code, r.code);
      assert.equal(error.type, r.errorType ?? "invalid_request_error");
      assert.equal(error.param ?? null, r.param ?? null);
      assert.match(error.message, r.says);
      for (const name of r.absent ?? []) {
        assert.equal(error.headers.get(name), null, name);
      }
    });
  }
}


test("the same of other endpoints", async () => {
  const client = as("-total");
  const record = { error_class: "quota_exhausted", key_id: "node-total" };

  for (const ask of [
    () => client.responses.create({ model, input: "Say hello." }),
    () => client.responses.create({ model, input: "Hello.", stream: true }),
    () => client.embeddings.create({ model, input: "hello" }),
    () => client.chat.completions.stream({ model, messages }).finalMessage(),
  ]) {
    const error = await refused(ask, OpenAI.RateLimitError, 429, record);

    assert.equal(error.code, "insufficient_quota");
  }
});


test("requests per day: a RateLimitError at once", async () => {
  const client = as("-day");
  const { response } = await chat(client).withResponse();

  assert.equal(response.headers.get("x-ratelimit-limit-requests"), "1");
  assert.equal(response.headers.get("x-ratelimit-remaining-requests"), "0");

  for (const stream of [false, true]) {
    const error = await refused(() => chat(client, { stream }),
      OpenAI.RateLimitError, 429,
      { error_class: "rate_limit", key_id: "node-day" });

    assert.equal(error.code, "rate_limit_exceeded");
    assert.equal(error.type, "requests");
    assert.match(error.message, /"node-day" .* limit of 1 requests per day, /);
    assert.ok(Number(error.headers.get("retry-after")) > 80000);
    assert.equal(error.headers.get("x-should-retry"), "false");
    assert.equal(error.headers.get("x-ratelimit-limit-requests"), "1");
    assert.equal(error.headers.get("x-ratelimit-remaining-requests"), "0");
    assert.match(error.headers.get("x-ratelimit-reset-requests"),
      /^2[34]h\d+m\d+s$/);
  }
});


test("tokens per day", async () => {
  const client = as("-tokens");

  await chat(client, { max_tokens: 10 });

  const error = await refused(() => chat(client, { max_tokens: 990 }),
    OpenAI.RateLimitError, 429,
    { error_class: "rate_limit", key_id: "node-tokens" });

  assert.equal(error.code, "rate_limit_exceeded");
  assert.equal(error.type, "tokens");
  assert.match(error.message, /"node-tokens" .* of 1000 tokens per day, /);
  assert.equal(error.headers.get("x-ratelimit-limit-tokens"), "1000");
  assert.ok(Number(error.headers.get("x-ratelimit-remaining-tokens")) > 900);
  assert.match(error.headers.get("x-ratelimit-reset-tokens"), /^\d+m\d+s$/);
});


test("requests per second: the client waits as it is told", async () => {
  const client = as("-second");
  const { result, error, sent } = await requestsOf(() => Promise.all(
    [1, 2].map(() => chat(client).withResponse())));

  assert.ifError(error);
  assert.equal(sent.length, 3, "one of them is sent again");

  // its own pause would be half a second at most
  assert.ok(sent[2].at - sent[1].at > 950, "after a second");

  const served = result.map(
    ({ response }) => response.headers.get("x-request-id"));

  for (const { id } of sent.filter((s) => !served.includes(s.id))) {
    expectRecord(id, { outcome: "rejected", status: 429, key_id: "node-second",
      error_class: "rate_limit" });
  }
});


test("requests at once", async () => {
  const client = as("-one");
  const stream = await chat(client, { stream: true },
    { headers: { "X-Sim": "words=400,gap=25" } });
  const record = { error_class: "rate_limit", key_id: "node-one" };

  const error = await refused(() => chat(as("-one", { maxRetries: 0 })),
    OpenAI.RateLimitError, 429, record);

  assert.equal(error.code, "rate_limit_exceeded");
  assert.match(error.message, /"node-one" has its limit of 1 requests at once/);
  assert.equal(error.headers.get("retry-after"), "1");
  assert.equal(error.headers.get("x-should-retry"), "true");

  // the first one ends while the client waits for that

  setTimeout(() => stream.controller.abort(), 100);

  const { result, sent } = await requestsOf(() => chat(client));

  assert.equal(result.choices[0].finish_reason, "stop");
  assert.equal(sent.length, 2);
  expectRecord(sent[0].id, { outcome: "rejected", status: 429, ...record });
});


test("money per day: spent, and no retry", async () => {
  const client = as("-money");
  let served = 0;
  let last;

  do {
    last = await requestsOf(() => chat(client));
  } while (!last.error && ++served < 100);

  assert.ok(served > 0 && served < 100, `${served} were served`);
  assert.ok(last.error instanceof OpenAI.RateLimitError,
    last.error.constructor.name);
  assert.equal(last.sent.length, 1);
  assert.equal(last.error.code, "insufficient_quota");
  assert.equal(last.error.type, "insufficient_quota");
  assert.match(last.error.message,
    new RegExp('^429 key "node-money" (?:has spent|would exceed) its budget'
      + " of 0\\.011 usd per day, "));
  assert.match(last.error.message,
    / it begins anew at \d{4}-\d\d-\d\dT00:00:00Z$/);
  assert.ok(Number(last.error.headers.get("retry-after")) > 0);
  assert.equal(last.error.headers.get("x-should-retry"), "false");
  expectRecord(last.sent[0].id, { outcome: "rejected", status: 429,
    error_class: "quota_exhausted", key_id: "node-money" });

  // and a stream is refused before its first chunk

  await refused(() => chat(client, { stream: true }), OpenAI.RateLimitError,
    429, { error_class: "quota_exhausted", key_id: "node-money" });
});


test("the list of models", async () => {
  const list = await collect(as("").models.list());
  const one = list.find((m) => m.id === model);

  assert.deepEqual(one, {
    id: model, object: "model", created: 0, owned_by: "compatible",
    context_window: 128000, max_tokens: 16384,
    pricing: { input: "0.0000025", output: "0.00001",
      input_cache_read: "0.00000125" },
  });
  assert.deepEqual((await collect(as("-mini").models.list()))
    .map((m) => m.id), ["gpt-4o-mini"]);
});


test("one model", async () => {
  const { id, pricing } = await as("").models.retrieve(model);

  assert.equal(id, model);
  assert.equal(pricing.output, "0.00001");
  await refused(() => as("-mini").models.retrieve(model),
    OpenAI.PermissionDeniedError, 403,
    { error_class: "permission", key_id: "node-mini", endpoint: "models" });
  await refused(() => as("").models.retrieve("no-such-model"),
    OpenAI.NotFoundError, 404,
    { error_class: "model_not_found", key_id: "node", endpoint: "models" });
  await refused(() => as("-nobody").models.list(),
    OpenAI.AuthenticationError, 401,
    { error_class: "auth", key_id: "-" });
});
