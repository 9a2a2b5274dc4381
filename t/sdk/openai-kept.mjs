// Copyright (C) nginx-ai-route contributors
//
// OpenAI's client for Node where it uploads, where it asks again for what it
// made, and where all fails.  t/tools/sdk-test runs this; its nginx.conf has
// the models.  Of "upload" the first account fails; "store-b" and "store-c"
// have two that keep what they make; "retry-..." have two at a provider whose
// requests are counted.
//
//   AI_FILES    a folder for the files that are uploaded
//   AI_COUNTED  that provider

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, writeFileSync } from "node:fs";
import test from "node:test";

import OpenAI, { toFile } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { baseURL, collect, counted, expectRecord, fetchWithId, messages,
         oneRequest, requestsOf } from "./gateway.mjs";

const client = new OpenAI({
  baseURL, apiKey: "sk-node", fetch: fetchWithId, timeout: 20000,
});

const size = 5 * 1024 * 1024;
const path = `${process.env.AI_FILES}/node.wav`;
const bytes = randomBytes(size);
const sha1 = createHash("sha1").update(bytes).digest("hex");

writeFileSync(path, bytes);

const named = (header, name) => ({ headers: { [header]: name } });
const sim = (spec) => named("X-Sim", spec);
const at = (account) => named("X-AI-Account", account);

function served(response, account) {
  assert.equal(response.headers.get("x-ai-account"), account);
}

const shout = { type: "text", text: "x" };


test("a transcription of 5 MB, which the first account refuses", async () => {
  const { data, response } = await oneRequest(() =>
    client.audio.transcriptions.create({
      file: createReadStream(path), model: "upload",
    }).withResponse());

  served(response, "account_c");
  assert.match(data.text, /^word0 word1/);
  assert.deepEqual(data.sim_file,
    { filename: "node.wav", bytes: size, sha1, files: 1 });
});


test("a transcription as text, and one that is streamed", async () => {
  const file = await toFile(Buffer.from("RIFF, or so"), "a.wav");
  const text = await oneRequest(() => client.audio.transcriptions.create(
    { file, model: "upload", response_format: "text" }));
  const events = await collect(await client.audio.transcriptions.create(
    { file, model: "upload", stream: true }));

  assert.match(text, /^word0 word1/);
  assert.equal(events.at(-1).type, "transcript.text.done");
  assert.equal(events.at(-1).text.trim(), text.trim());
  assert.equal(events.filter((e) => e.type === "transcript.text.delta")
    .map((e) => e.delta).join("").trim(), text.trim());
});


test("a translation", async () => {
  const { data, response } = await oneRequest(() =>
    client.audio.translations.create({
      file: createReadStream(path), model: "upload",
    }).withResponse());

  served(response, "account_c");
  assert.equal(data.sim_file.sha1, sha1);
});


test("a speech", async () => {
  const speech = await oneRequest(() => client.audio.speech.create(
    { model: "upload", voice: "alloy", input: "Say hello." }));
  const audio = Buffer.from(await speech.arrayBuffer());

  assert.equal(speech.headers.get("content-type"), "audio/mpeg");
  assert.deepEqual(audio, Buffer.alloc(2048, 0xff));
});


test("an image is edited", async () => {
  const { data, response } = await oneRequest(() => client.images.edit({
    image: createReadStream(path), prompt: "A cat, please.", model: "upload",
    n: 2,
  }).withResponse());

  served(response, "account_c");
  assert.equal(data.data.length, 2);
  assert.equal(data.sim_file.sha1, sha1);
  assert.ok(data.usage.input_tokens > 0);
});


test("two images are edited", async () => {
  const image = await Promise.all(["a.png", "b.png"].map((name) =>
    toFile(Buffer.from(name), name, { type: "image/png" })));
  const data = await oneRequest(() => client.images.edit(
    { image, prompt: "Both.", model: "upload" }));

  assert.equal(data.sim_file.files, 2);
});


test("a file: uploaded, read, listed, removed", async () => {
  for (const account of ["account_c", "account_b"]) {
    const { data: file, response } = await oneRequest(() =>
      client.files.create({ file: createReadStream(path), purpose: "batch" },
        at(account)).withResponse());

    served(response, account);
    assert.equal(file.bytes, size);
    assert.equal(file.filename, "node.wav");
    assert.equal(file.purpose, "batch");
    assert.equal(file.sim_sha1, sha1);

    const again = await oneRequest(() =>
      client.files.retrieve(file.id).withResponse());

    served(again.response, account);
    assert.deepEqual(again.data, file);

    const content = await oneRequest(() => client.files.content(file.id));

    served(content, account);
    assert.ok(Buffer.from(await content.arrayBuffer()).equals(bytes));

    const list = await collect(await client.files.list({}, at(account)));

    assert.ok(list.some(({ id }) => id === file.id));
    assert.equal((await client.files.delete(file.id)).deleted, true);

    const { error, sent } = await requestsOf(() =>
      client.files.retrieve(file.id));

    assert.ok(error instanceof OpenAI.NotFoundError, error?.message);
    assert.equal(sent.length, 1);
  }
});


test("a file for a model goes to an account that serves it", async () => {
  const { data, response } = await oneRequest(() => client.files.create(
    { file: createReadStream(path), purpose: "user_data" },
    named("X-AI-Model", "upload")).withResponse());

  served(response, "account_c");
  assert.equal(data.sim_sha1, sha1);
});


test("a list of whom, and a file that nobody knows", async () => {
  const list = await requestsOf(() => client.files.list());
  const file = await requestsOf(() => client.files.retrieve("file-unknown"));

  assert.ok(list.error instanceof OpenAI.BadRequestError);
  assert.match(list.error.message, /X-AI-Account: .*account_c/);
  assert.ok(file.error instanceof OpenAI.NotFoundError);
  assert.equal(list.sent.length + file.sent.length, 2);
});


test("a batch and its output", async () => {
  const input = await toFile(Buffer.from("{}\n{}\n"), "in.jsonl");
  const file = await client.files.create({ file: input, purpose: "batch" },
    at("account_c"));
  const { data: batch, response } = await oneRequest(() =>
    client.batches.create({
      input_file_id: file.id, endpoint: "/v1/chat/completions",
      completion_window: "24h",
    }).withResponse());

  served(response, "account_c");
  assert.equal(batch.status, "validating");
  assert.equal(batch.input_file_id, file.id);

  const done = await oneRequest(() =>
    client.batches.retrieve(batch.id).withResponse());

  served(done.response, "account_c");
  assert.equal(done.data.status, "completed");
  assert.equal(done.data.request_counts.total, 2);

  const output = await oneRequest(() =>
    client.files.content(done.data.output_file_id));

  served(output, "account_c");
  assert.equal((await output.text()).trim().split("\n").length, 2);
});


test("a response is gone on with where it was made", async () => {
  for (const [model, account] of [["store-c", "account_c"],
                                  ["store-b", "account_b"]]) {
    const { data: first, response } = await oneRequest(() =>
      client.responses.create({ model, input: "Say hello." }).withResponse());

    served(response, account);

    const read = await oneRequest(() =>
      client.responses.retrieve(first.id).withResponse());

    served(read.response, account);
    assert.equal(read.data.id, first.id);
    assert.equal(read.data.output_text, first.output_text);

    // with the model that the other account would serve
    for (const other of ["store-b", "store-c"]) {
      const second = await oneRequest(() => client.responses.create({
        model: other, input: "And again.", previous_response_id: first.id,
      }).withResponse());

      served(second.response, account);
      assert.equal(second.data.previous_response_id, first.id);

      const stream = await client.responses.create({
        model: other, input: "And again.", previous_response_id: second.data.id,
        stream: true,
      }).withResponse();

      served(stream.response, account);

      const events = await collect(stream.data);

      assert.equal(events.at(-1).type, "response.completed");
      assert.equal(events.at(-1).response.previous_response_id, second.data.id);

      // the id came in an event
      const third = await oneRequest(() =>
        client.responses.retrieve(events.at(-1).response.id).withResponse());

      served(third.response, account);
    }

    await oneRequest(() => client.responses.delete(first.id));

    const { error } = await requestsOf(() =>
      client.responses.retrieve(first.id));

    assert.ok(error instanceof OpenAI.NotFoundError, error?.message);
  }
});


test("a response that nobody has", async () => {
  const { error, sent } = await requestsOf(() => client.responses.create({
    model: "store-c", input: "x", previous_response_id: "resp_unknown",
  }));

  assert.ok(error instanceof OpenAI.BadRequestError, error?.message);
  assert.equal(error.code, "previous_response_not_found");
  assert.equal(sent.length, 1);
});


test("an answer by a schema, whole and streamed", async () => {
  const Weather = z.object({
    town: z.enum(["Zürich", "東京"]),
    days: z.array(z.object({ warm: z.boolean(), degrees: z.number() })),
  });
  const wanted = { town: "Zürich", days: [{ warm: true, degrees: 7 }] };
  const request = {
    model: "tools", messages,
    response_format: zodResponseFormat(Weather, "weather"),
  };
  const { choices } = await oneRequest(() =>
    client.chat.completions.parse(request));

  assert.deepEqual(choices[0].message.parsed, wanted);

  const stream = client.chat.completions.stream(request);
  const completion = await stream.finalChatCompletion();

  assert.deepEqual(completion.choices[0].message.parsed, wanted);
});


test("a moderation", async () => {
  const { data, response } = await oneRequest(() => client.moderations.create(
    { model: "store-b", input: ["Say hello.", shout] }).withResponse());

  served(response, "account_b");
  assert.equal(data.results[0].flagged, false);
});


test("an upload that the client aborts", async () => {
  const abort = new AbortController();
  const { error, sent } = await requestsOf(() => {
    setTimeout(() => abort.abort(), 400);
    return client.audio.transcriptions.create(
      { file: createReadStream(path), model: "upload" },
      { signal: abort.signal, ...sim("delay=5000") });
  });

  assert.ok(error instanceof OpenAI.APIUserAbortError);
  assert.equal(sent.length, 1);
  expectRecord(sent[0].id, { outcome: "client_gone" });
});


// The client retries twice, unless it is told not to; the gateway has asked
// both accounts by then.

async function multiplied(code) {
  const before = await counted();
  const { error, sent } = await requestsOf(code);

  return { error, sent, reached: await counted() - before };
}

test("retries of a failure are the gateway's alone", async () => {
  const { error, sent, reached } = await multiplied(() =>
    client.chat.completions.create({ model: "retry-node", messages },
      sim("status=500")));

  assert.ok(error instanceof OpenAI.InternalServerError, error?.message);
  assert.equal(error.headers.get("x-should-retry"), "false");
  assert.equal(sent.length, 1);
  assert.equal(reached, Number(error.headers.get("x-ai-attempts")));
  assert.ok(reached >= 2 && reached <= 4, `${reached} at the provider`);
  expectRecord(sent[0].id, { attempts: reached });
});


test("and so those of an upload", async () => {
  const { error, sent, reached } = await multiplied(() =>
    client.audio.transcriptions.create(
      { model: "retry-upload", file: createReadStream(path) },
      sim("status=500")));

  assert.ok(error instanceof OpenAI.InternalServerError, error?.message);
  assert.equal(sent.length, 1);
  assert.equal(reached, Number(error.headers.get("x-ai-attempts")));
  assert.ok(reached >= 2 && reached <= 4, `${reached} at the provider`);
  expectRecord(sent[0].id, { attempts: reached });
});


test("a rate limit of all: the client comes again when it is told to",
  async () => {
    const begun = performance.now();
    const { error, sent, reached } = await multiplied(() =>
      client.chat.completions.create({ model: "retry-limit", messages },
        sim("status=429,retry_after=2")));

    assert.ok(error instanceof OpenAI.RateLimitError, error?.message);
    assert.equal(sent.length, 3);
    assert.ok(performance.now() - begun > 1900 * (sent.length - 1));

    // both accounts, and one of them again where its wait was short
    assert.ok(reached <= 3 * sent.length,
      `${sent.length} requests, ${reached} at the provider`);
  });
