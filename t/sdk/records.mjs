// Copyright (C) nginx-ai-route contributors
//
//   node records.mjs IDS <RECORDS
//
// Exits with 0 if each request id of the file IDS has exactly one record of
// kind "request" among the records on standard input, and no other id has
// one, and these have what the file says of them.  A line of IDS is an id, or
// an id and fields, "name=value", where "-" stands for an absent field.  The
// records are lines of JSON (ai_usage file:) or what "redis-cli
// XRANGE" prints into a pipe: an entry's id, then names and values in turn.

import { readFileSync } from "node:fs";

const words = readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean)
  .map((line) => line.split(" "));
const ids = words.filter((w) => w.length === 1).map(([id]) => id);
const expected = words.filter((w) => w.length > 1);
const lines = readFileSync(0, "utf8").split("\n");
const records = [];

while (lines.length && lines[0] !== "") {
  if (lines[0].startsWith("{")) {
    records.push(JSON.parse(lines.shift()));

  } else if (/^\d+-\d+$/.test(lines[0])) {
    records.push({});
    lines.shift();

  } else {
    const [name, value] = lines.splice(0, 2);
    records.at(-1)[name] = value;
  }
}

const requests = records.filter((r) => r.kind === "request");
const count = new Map(ids.map((id) => [id, 0]));
const wrong = [];

for (const { request_id: id } of requests) {
  if (!count.has(id)) {
    wrong.push(`a record of an unknown request ${id}`);
  }
  count.set(id, (count.get(id) ?? 0) + 1);
}

for (const [id, n] of count) {
  if (n !== 1) {
    wrong.push(`request ${id} has ${n} records`);
  }
}

for (const [id, ...fields] of expected) {
  const record = requests.find((r) => r.request_id === id) ?? {};

  for (const [name, value] of fields.map((f) => f.split("="))) {
    if (String(record[name] ?? "-") !== value) {
      wrong.push(`request ${id} has ${name} "${record[name]}", not "${value}"`);
    }
  }
}

// These use no tokens; of a speech and of a moderation nobody tells, nor of a
// transcription that is bare text.

const untold = ["models", "files", "batches", "stored_responses", "speech",
  "moderations"];

for (const r of requests) {
  if (r.outcome === "ok" && !untold.includes(r.endpoint) &&
      !(r.endpoint === "transcriptions" && r.usage_source !== "provider") &&
      !(r.input_tokens > 0)) {
    wrong.push(`request ${r.request_id} (${r.endpoint}) has no input_tokens`);
  }
}

for (const r of records) {
  if (Object.values(r).some((v) => /sk-/.test(String(v)))) {
    wrong.push(`a key in the record of ${r.request_id}`);
  }
}

const outcomes = {};

for (const r of requests) {
  outcomes[r.outcome] = (outcomes[r.outcome] ?? 0) + 1;
}

if (!outcomes.client_gone || !outcomes.cut) {
  wrong.push("no record of an aborted or of a cut stream");
}

console.log(`${ids.length} requests, ${requests.length} records of kind ` +
  `request, ${expected.length} of them looked at:`, Object.entries(outcomes).map(([k, v]) => `${v} ${k}`).join(", "));

for (const line of wrong.slice(0, 10)) {
  console.log(`wrong: ${line}`);
}

process.exit(wrong.length ? 1 : 0);
