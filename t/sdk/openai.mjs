// Copyright (C) nginx-ai-route contributors
//
// The gateway as OpenAI's own client sees it.  t/tools/sdk-test runs this
// with the first account failing; it runs as well against "make demo":
//
//   AI_BASE_URL     the gateway, such as http://127.0.0.1:8080/v1
//   AI_MODEL        a model that it serves (gpt-4o-mini)
//   AI_API_KEY      a key for it (where it has keys)
//   AI_SERVED_BY    the account that must answer, since the first one fails
//   AI_TOOL_MODEL   a model whose last account is tools.mjs; without it the
//                   tests of tool calls are skipped
//   AI_FAULTS       1: there are models fault-auth, fault-limit ... with
//                   accounts of their own, which the gateway may close or
//                   cool down; without it the tests that do so are skipped
//   AI_REQUEST_IDS  a file that gets the id of each request, one per line
//
// Behind the gateway there must be simulated providers: the header X-Sim
// tells them what to do (t/provider/README.md).

import assert from "node:assert/strict";
import test from "node:test";

import OpenAI from "openai";

import { baseURL, collect, fetchWithId, messages, model, oneRequest }
  from "./gateway.mjs";

const toolModel = process.env.AI_TOOL_MODEL;
const servedBy = process.env.AI_SERVED_BY;

const client = new OpenAI({
  baseURL,
  apiKey: process.env.AI_API_KEY || "sk-anything",
  fetch: fetchWithId,
  timeout: 20000,
});

// Errors are wanted as they are, and not three times.

const once = client.withOptions({ maxRetries: 0 });

function sim(spec) {
  return { headers: { "X-Sim": spec } };
}

// A test of what must not happen to the accounts that the others use.

const noFaults = process.env.AI_FAULTS === "1" ? false : "AI_FAULTS is not set";

function checkServed(response, account = servedBy) {
  assert.match(response.headers.get("x-request-id"), /^[0-9a-f-]{36}$/);
  assert.ok(response.headers.get("x-ai-account"));
  if (account) {
    assert.equal(response.headers.get("x-ai-account"), account);
  }
}

function textOf(chunks) {
  return chunks.map((c) => c.choices[0]?.delta?.content ?? "").join("");
}

function finishOf(chunks) {
  return chunks.map((c) => c.choices[0]?.finish_reason).filter(Boolean);
}

async function failure(promise, type, status) {
  let error;

  try {
    await promise;
  } catch (e) {
    error = e;
  }

  assert.ok(error instanceof type,
    `${type.name} wanted, got ${error ? error.constructor.name : "none"}: ` +
    `${error?.message}`);
  assert.equal(error.status, status);
  assert.match(error.requestID, /^[0-9a-f-]{36}$/);

  return error;
}


test("a chat completion", async () => {
  const { data, response } = await oneRequest(() =>
    client.chat.completions.create({ model, messages }).withResponse());

  assert.equal(data.object, "chat.completion");
  assert.equal(data.choices[0].message.role, "assistant");
  assert.match(data.choices[0].message.content, /^word0 word1/);
  assert.equal(data.choices[0].finish_reason, "stop");
  checkServed(response);

  // nobody knows of the first account's failure before this request
  if (servedBy) {
    assert.equal(response.headers.get("x-ai-attempts"), "2");
    assert.equal(response.headers.get("x-ai-fallback"), "account");
  }
});


test("usage of a chat completion", async () => {
  const { usage } = await client.chat.completions.create({ model, messages });

  assert.ok(usage.prompt_tokens > 0);
  assert.ok(usage.completion_tokens > 0);
  assert.equal(usage.total_tokens,
    usage.prompt_tokens + usage.completion_tokens);
});


test("a streamed chat completion, without a usage chunk", async () => {
  const whole = await client.chat.completions.create({ model, messages });
  const { data, response } = await oneRequest(() =>
    client.chat.completions.create({ model, messages, stream: true })
      .withResponse());
  const chunks = await collect(data);

  checkServed(response);
  assert.equal(textOf(chunks), whole.choices[0].message.content);
  assert.deepEqual(finishOf(chunks), ["stop"]);
  assert.ok(chunks.length > 5);
  assert.ok(chunks.every((c) => c.choices.length === 1));
  assert.ok(chunks.every((c) => !c.usage));
});


test("include_usage: the client gets the chunk", async () => {
  const chunks = await collect(await client.chat.completions.create({
    model, messages, stream: true, stream_options: { include_usage: true },
  }));
  const last = chunks.at(-1);

  assert.deepEqual(finishOf(chunks), ["stop"]);
  assert.equal(last.choices.length, 0);
  assert.ok(last.usage.prompt_tokens > 0);
  assert.ok(last.usage.completion_tokens > 0);
  assert.equal(chunks.filter((c) => c.usage).length, 1);
});


test("include_usage false: the client does not get it", async () => {
  const chunks = await collect(await client.chat.completions.create({
    model, messages, stream: true, stream_options: { include_usage: false },
  }));

  assert.deepEqual(finishOf(chunks), ["stop"]);
  assert.ok(chunks.every((c) => !c.usage && c.choices.length === 1));
});


test("the stream helper's final completion", async () => {
  const stream = client.chat.completions.stream({ model, messages });
  const completion = await stream.finalChatCompletion();

  assert.equal(completion.choices[0].finish_reason, "stop");
  assert.match(completion.choices[0].message.content, /^word0 word1/);
});


test("a stream arrives piece by piece", async () => {
  const stream = await client.chat.completions.create(
    { model, messages, stream: true }, sim("words=10,gap=50"));
  const times = [];

  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta?.content) {
      times.push(performance.now());
    }
  }

  assert.equal(times.length, 10);
  assert.ok(times.at(-1) - times[0] > 250,
    `10 pieces within ${times.at(-1) - times[0]} ms`);
});


test("20 requests at once", async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) =>
    i % 2
      ? client.chat.completions.create({ model, messages, stream: true })
          .then(collect).then(textOf)
      : client.chat.completions.create({ model, messages })
          .then((a) => a.choices[0].message.content)));

  assert.equal(new Set(answers).size, 1);
});


test("a request of 5 MB", async () => {
  const content = "x".repeat(5 * 1024 * 1024);
  const { data, response } = await oneRequest(() =>
    client.chat.completions.create({
      model, messages: [{ role: "user", content }],
    }).withResponse());

  checkServed(response);

  // the simulated provider counts a token for each 4 bytes that reached it
  assert.ok(data.usage.prompt_tokens >= content.length / 4);
});


test("the same, streamed", async () => {
  const content = "x".repeat(5 * 1024 * 1024);
  const chunks = await collect(await client.chat.completions.create({
    messages: [{ role: "user", content }], model, stream: true,
    stream_options: { include_usage: true },
  }));

  assert.deepEqual(finishOf(chunks), ["stop"]);
  assert.ok(chunks.at(-1).usage.prompt_tokens >= content.length / 4);
});


test("embeddings", async () => {
  const { data, response } = await client.embeddings.create(
    { model, input: "hello", encoding_format: "float" }).withResponse();

  checkServed(response);
  assert.ok(data.data[0].embedding.length > 0);
  assert.equal(typeof data.data[0].embedding[0], "number");
});


test("a response, whole and streamed", async () => {
  const { data, response } = await client.responses.create(
    { model, input: "Say hello." }).withResponse();

  checkServed(response);
  assert.match(data.output_text, /^word0 word1/);

  const events = await collect(await client.responses.create(
    { model, input: "Say hello.", stream: true }));
  const text = events
    .filter((e) => e.type === "response.output_text.delta")
    .map((e) => e.delta).join("");

  assert.equal(text, data.output_text);
  assert.equal(events.at(-1).type, "response.completed");
});


const tools = [{
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a town, \"now\" or later \u2013 maybe",
    strict: true,
    parameters: {
      type: "object",
      properties: {
        town: { type: "string", enum: ["Z\u00fcrich", "\u6771\u4eac"] },
        days: { type: ["integer", "null"] },
      },
      required: ["town", "days"],
      additionalProperties: false,
    },
  },
}];

const noTools = toolModel ? false : "AI_TOOL_MODEL is not set";

test("a tool call and its result", { skip: noTools }, async () => {
  const { data, response } = await client.chat.completions.create({
    model: toolModel, messages, tools, tool_choice: "auto",
  }).withResponse();
  const choice = data.choices[0];
  const [call] = choice.message.tool_calls;

  checkServed(response, "account_tools");
  assert.equal(choice.finish_reason, "tool_calls");
  assert.equal(choice.message.content, null);
  assert.equal(call.type, "function");
  assert.equal(call.function.name, "get_weather");

  // tools.mjs repeats the tools that it was given
  assert.deepEqual(JSON.parse(call.function.arguments), { tools });

  const second = await client.chat.completions.create({
    model: toolModel, tools,
    messages: [...messages, choice.message,
      { role: "tool", tool_call_id: call.id, content: "12 \u00b0C" }],
  });

  assert.equal(second.choices[0].message.content, `${call.id}: 12 \u00b0C`);
});


test("a streamed tool call", { skip: noTools }, async () => {
  const chunks = await collect(await client.chat.completions.create({
    model: toolModel, messages, tools, stream: true,
  }));
  const calls = chunks.flatMap((c) => c.choices[0]?.delta?.tool_calls ?? []);

  assert.equal(calls[0].function.name, "get_weather");
  assert.ok(calls.length > 5);
  assert.ok(calls.every((c) => c.index === 0));
  assert.deepEqual(
    JSON.parse(calls.map((c) => c.function.arguments ?? "").join("")),
    { tools });
  assert.deepEqual(finishOf(chunks), ["tool_calls"]);
  assert.ok(chunks.every((c) => !c.usage));
});


test("an unknown model is a NotFoundError", async () => {
  const error = await failure(
    once.chat.completions.create({ model: "no-such-model", messages }),
    OpenAI.NotFoundError, 404);

  assert.equal(error.code, "model_not_found");
  assert.equal(error.param, "model");
  assert.equal(error.type, "invalid_request_error");
  assert.match(error.message, /no-such-model/);
});


test("a missing model is a BadRequestError", async () => {
  const error = await failure(
    once.chat.completions.create({ messages }),
    OpenAI.BadRequestError, 400);

  assert.equal(error.code, "invalid_request_error");
  assert.equal(error.param, "model");
});


test("a model that is no string is a BadRequestError", async () => {
  await failure(once.chat.completions.create({ model: 4, messages }),
    OpenAI.BadRequestError, 400);
});


test("an unknown path is a NotFoundError", async () => {
  const error = await failure(once.post("/no/such/path", { body: {} }),
    OpenAI.NotFoundError, 404);

  assert.equal(error.code, "not_found");
});


test("the provider's own 400 is a BadRequestError", async () => {
  const error = await failure(
    once.chat.completions.create({ model, messages },
      sim("status=400,code=context_length_exceeded")),
    OpenAI.BadRequestError, 400);

  assert.equal(error.code, "context_length_exceeded");
  assert.equal(error.headers.get("x-ai-attempts"), "1");
});


test("429 of all is a RateLimitError", { skip: noFaults }, async () => {
  await failure(
    once.chat.completions.create({ model: "fault-limit", messages },
      sim("status=429")),
    OpenAI.RateLimitError, 429);
});


test("500 of all is an InternalServerError", { skip: noFaults }, async () => {
  const error = await failure(
    once.chat.completions.create({ model: "fault-server", messages },
      sim("status=500")),
    OpenAI.InternalServerError, 502);

  assert.equal(error.code, "upstream_error");
});


test("an account's 401 is not the client's", { skip: noFaults }, async () => {
  const error = await failure(
    once.chat.completions.create({ model: "fault-auth", messages },
      sim("status=401")),
    OpenAI.InternalServerError, 502);

  assert.equal(error.code, "upstream_auth");
  assert.doesNotMatch(error.message, /sk-/);
});


test("an error as the first event fails", { skip: noFaults }, async () => {
  await failure(
    once.chat.completions.create(
      { model: "fault-first", messages, stream: true },
      sim("error_first,status=500")),
    OpenAI.InternalServerError, 502);
});


test("a cut stream throws at its end", { skip: noFaults }, async () => {
  const stream = await once.chat.completions.create(
    { model: "fault-cut", messages, stream: true }, sim("words=10,cut=4"));
  const chunks = [];

  await assert.rejects(async () => {
    for await (const chunk of stream) {
      chunks.push(chunk);
    }
  }, (error) => {
    assert.ok(error instanceof OpenAI.APIError, error.constructor.name);
    assert.equal(error.code, "upstream_error");
    return true;
  });

  assert.equal(chunks.filter((c) => c.choices[0]?.delta?.content).length, 4);
  assert.deepEqual(finishOf(chunks), []);
});


test("a stream that the client aborts", async () => {
  const stream = await client.chat.completions.create(
    { model, messages, stream: true }, sim("words=400,gap=25"));
  let pieces = 0;

  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta?.content && ++pieces === 3) {
      stream.controller.abort();
    }
  }

  assert.ok(pieces >= 3 && pieces < 400);

  // and the gateway goes on
  const { choices } = await client.chat.completions.create(
    { model, messages });

  assert.equal(choices[0].finish_reason, "stop");
});


test("a request that the client aborts", async () => {
  const abort = new AbortController();

  setTimeout(() => abort.abort(), 200);

  await assert.rejects(
    once.chat.completions.create({ model, messages },
      { signal: abort.signal, ...sim("delay=5000") }),
    OpenAI.APIUserAbortError);
});
