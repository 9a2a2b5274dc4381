// Copyright (C) nginx-ai-route contributors
//
// The AI SDK ("ai" of npm) with its provider for what is compatible with
// OpenAI's API.  t/tools/sdk-test runs this; its nginx.conf has the models.

import assert from "node:assert/strict";
import test from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany, generateObject, generateText,
         RetryError, stepCountIs, streamObject, streamText, tool } from "ai";
import { z } from "zod";

import { baseURL, collect, counted, expectRecord, fetchWithId, model, oneRequest,
         requestsOf } from "./gateway.mjs";

const gateway = createOpenAICompatible({
  name: "gateway", baseURL, apiKey: "sk-node", fetch: fetchWithId,
  includeUsage: true, supportsStructuredOutputs: true,
});

const prompt = "Say hello.";
const sim = (spec) => ({ headers: { "X-Sim": spec } });
const words = /^word0 word1/;


test("generateText", async () => {
  const { text, finishReason, usage, response } = await oneRequest(() =>
    generateText({ model: gateway(model), prompt }));

  assert.match(text, words);
  assert.equal(finishReason, "stop");
  assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0);
  assert.equal(response.headers["x-ai-account"], "account_b");
});


test("streamText", async () => {
  const result = streamText({ model: gateway(model), prompt });
  const pieces = await collect(result.textStream);

  assert.match(pieces.join(""), words);
  assert.ok(pieces.length > 5);
  assert.equal(await result.finishReason, "stop");
  assert.ok((await result.usage).outputTokens > 0);
});


test("5 MB", async () => {
  const { usage } = await oneRequest(() => generateText(
    { model: gateway(model), prompt: "x".repeat(5 * 1024 * 1024) }));

  assert.ok(usage.inputTokens >= 5 * 1024 * 1024 / 4);
});


const tools = {
  get_weather: tool({
    description: "The weather of a town",
    inputSchema: z.object({ tools: z.array(z.any()) }),
    execute: async ({ tools: [given] }) => `asked as ${given.function.name}`,
  }),
};

test("a tool is called and its result told", async () => {
  const { text, steps } = await generateText({
    model: gateway("tools"), prompt, tools, stopWhen: stepCountIs(3),
  });

  assert.equal(steps.length, 2);
  assert.equal(steps[0].finishReason, "tool-calls");
  assert.equal(steps[0].toolCalls[0].toolName, "get_weather");
  assert.equal(steps[0].response.headers["x-ai-account"], "account_tools");
  assert.match(text, /^call_1: .*asked as get_weather/);
});


test("the same, streamed", async () => {
  const result = streamText({
    model: gateway("tools"), prompt, tools, stopWhen: stepCountIs(3),
  });

  assert.match((await collect(result.textStream)).join(""),
    /^call_1: .*asked as get_weather/);
  assert.equal((await result.steps).length, 2);
});


const schema = z.object({
  town: z.enum(["Zürich", "東京"]),
  days: z.array(z.object({ warm: z.boolean(), degrees: z.number() })),
});
const object = { town: "Zürich", days: [{ warm: true, degrees: 7 }] };

test("generateObject and streamObject", async () => {
  const whole = await oneRequest(() =>
    generateObject({ model: gateway("tools"), prompt, schema }));
  const streamed = streamObject({ model: gateway("tools"), prompt, schema });
  const parts = await collect(streamed.partialObjectStream);

  assert.deepEqual(whole.object, object);
  assert.deepEqual(await streamed.object, object);
  assert.ok(parts.length > 1);
});


test("embeddings", async () => {
  const one = await oneRequest(() => embed(
    { model: gateway.embeddingModel(model), value: prompt }));
  const many = await oneRequest(() => embedMany(
    { model: gateway.embeddingModel(model), values: [prompt] }));

  assert.equal(one.embedding.length, 8);
  assert.deepEqual(many.embeddings[0], one.embedding);
});


async function failure(code, status) {
  const { error, sent } = await requestsOf(code);

  assert.ok(APICallError.isInstance(error), `${error?.name}: ${error?.message}`);
  assert.equal(error.statusCode, status);
  assert.equal(sent.length, 1);
  assert.equal(error.responseHeaders["x-request-id"], sent[0].id);
  assert.doesNotMatch(error.message, /sk-/);

  return error;
}

test("errors that are the client's are thrown at once", async () => {
  const unknown = await failure(() => generateText(
    { model: gateway("no-such-model"), prompt }), 404);

  assert.equal(unknown.isRetryable, false);
  assert.match(unknown.message, /no-such-model/);
  assert.equal(unknown.data.error.code, "model_not_found");

  const wrong = await failure(() => generateText(
    { model: gateway(model), prompt,
      ...sim("status=400,code=context_length_exceeded") }), 400);

  assert.equal(wrong.data.error.code, "context_length_exceeded");

  const stranger = createOpenAICompatible({
    name: "stranger", baseURL, apiKey: "sk-nobody", fetch: fetchWithId,
  });
  const refused = await failure(() => generateText(
    { model: stranger(model), prompt }), 401);

  assert.equal(refused.data.error.code, "invalid_api_key");
});


test("a stream that fails before it began", async () => {
  const errors = [];
  const result = streamText({
    model: gateway("no-such-model"), prompt,
    onError: ({ error }) => errors.push(error),
  });

  await collect(result.textStream).catch(() => {});
  assert.equal(errors[0].statusCode, 404);
});


test("a stream that is cut", async () => {
  const errors = [];
  const result = streamText({
    model: gateway("fault-cut"), prompt, maxRetries: 0,
    onError: ({ error }) => errors.push(error), ...sim("words=10,cut=4"),
  });
  const pieces = [];

  try {
    for await (const piece of result.textStream) {
      pieces.push(piece);
    }
  } catch { }

  assert.equal(pieces.join("").trim(), "word0 word1 word2 word3");
  assert.ok(errors.length, "an error");
});


test("a request and a stream that the client aborts", async () => {
  const abort = new AbortController();
  const { error, sent } = await requestsOf(() => {
    setTimeout(() => abort.abort(), 200);
    return generateText({ model: gateway(model), prompt,
      abortSignal: abort.signal, ...sim("delay=5000") });
  });

  assert.equal(error?.name, "AbortError");
  assert.equal(sent.length, 1);
  expectRecord(sent[0].id, { outcome: "client_gone" });

  const stop = new AbortController();
  const result = streamText({ model: gateway(model), prompt,
    abortSignal: stop.signal, ...sim("words=400,gap=25") });
  let pieces = 0;

  for await (const piece of result.textStream) {
    if (piece && ++pieces === 3) {
      stop.abort();
    }
  }

  assert.ok(pieces >= 3 && pieces < 400);
});


// The SDK retries by the status alone: x-should-retry means nothing to it.

test("retries", async () => {
  let before = await counted();
  const none = await requestsOf(() => generateText(
    { model: gateway("retry-ai"), prompt, maxRetries: 0,
      ...sim("status=500") }));
  let reached = await counted() - before;

  assert.ok(APICallError.isInstance(none.error));
  assert.equal(none.error.statusCode, 502);
  assert.equal(none.sent.length, 1);
  assert.equal(reached, Number(none.error.responseHeaders["x-ai-attempts"]));

  before = await counted();

  const two = await requestsOf(() => generateText(
    { model: gateway("retry-ai"), prompt, ...sim("status=500") }));

  reached = await counted() - before;
  assert.ok(RetryError.isInstance(two.error), two.error?.name);
  assert.equal(two.sent.length, 3);
  assert.ok(reached > 3, "so docs/clients.md advises maxRetries: 0");
});
