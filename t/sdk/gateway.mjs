// Copyright (C) nginx-ai-route contributors
//
// What the tests of the clients share: requests that can be found again among
// the usage records, and refusals that came as they should.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";

export const baseURL = process.env.AI_BASE_URL;
export const model = process.env.AI_MODEL || "gpt-4o-mini";
export const messages = [{ role: "user", content: "Say hello." }];

const idFile = process.env.AI_REQUEST_IDS;

if (!baseURL) {
  console.error("AI_BASE_URL is not set, see the top of the file");
  process.exit(2);
}

// Every request has an id of its own, also one that the client repeats.

const requests = [];

export function fetchWithId(url, init) {
  const headers = new Headers(init.headers);
  const id = randomUUID();

  headers.set("X-Request-ID", id);
  requests.push({ id, at: performance.now() });
  note(id);

  return fetch(url, { ...init, headers });
}

function note(line) {
  if (idFile) {
    appendFileSync(idFile, line + "\n");
  }
}

// The requests that the client sent meanwhile, and what it threw.

export async function requestsOf(code) {
  const before = requests.length;
  let result, error;

  try {
    result = await code();
  } catch (e) {
    error = e;
  }

  return { result, error, sent: requests.slice(before) };
}

// The client must get by without its own retries.

export async function oneRequest(code) {
  const { result, error, sent } = await requestsOf(code);

  if (error) {
    throw error;
  }

  assert.equal(sent.length, 1, "the client had to send more than once");
  return result;
}

// What must be in the record of a request, which records.mjs compares; "-":
// there must not be such a field.

export function expectRecord(id, fields) {
  note([id, ...Object.entries(fields).map((f) => f.join("="))].join(" "));
}

// How many requests reached the provider that only the tests of retries ask.

export async function counted() {
  const answer = await fetch(`${process.env.AI_COUNTED}/__stats`);

  return (await answer.json()).requests;
}

export async function collect(stream) {
  const chunks = [];

  for await (const chunk of stream) {
    chunks.push(chunk);
  }

  return chunks;
}

// Refused at once: the error, after one request, which is recorded so.

export async function refused(code, type, status, record) {
  const { error, sent } = await requestsOf(code);

  assert.ok(error instanceof type,
    `${type.name} wanted, got ${error ? error.constructor.name : "none"}: ` +
    `${error?.message}`);
  assert.equal(error.status, status);
  assert.equal(sent.length, 1, "it must not be tried again");
  assert.equal(error.requestID, sent[0].id);
  assert.doesNotMatch(error.message, /sk-/);
  expectRecord(sent[0].id,
    { outcome: "rejected", status, attempts: 0, ...record });

  return error;
}
