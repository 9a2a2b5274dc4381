// Copyright (C) nginx-ai-route contributors
//
// An account that calls tools, which the simulated provider does not: it
// calls the first tool of the request, and the arguments of the call are the
// request's tools, so that the client can compare them.  Asked with a tool's
// result it repeats that.  Asked for an answer by a schema it gives one that
// fits, in which strings are "ok" and the first of an enumeration.
//
//   node tools.mjs      prints the port that it listens on, on 127.0.0.1

import { createServer } from "node:http";

const head = { id: "chatcmpl-tools", created: 1700000000, model: "tools" };
const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

function sample(schema, root = schema) {
  const { type, properties, items, enum: values, $ref: ref } = schema;

  if (ref) {                              // "#/$defs/NAME"
    return sample(ref.slice(2).split("/").reduce((o, k) => o[k], root), root);
  }

  switch (values ? "enum" : type) {
    case "enum": return values[0];
    case "object":
      return Object.fromEntries(Object.entries(properties)
        .map(([name, property]) => [name, sample(property, root)]));
    case "array": return [sample(items, root)];
    case "string": return "ok";
    case "boolean": return true;
    default: return 7;
  }
}

function text(body) {
  const last = body.messages.at(-1);

  if (body.response_format?.type === "json_schema") {
    return JSON.stringify(sample(body.response_format.json_schema.schema));
  }

  return last.role === "tool" ? `${last.tool_call_id}: ${last.content}` : null;
}

function whole(body) {
  const content = text(body);
  const message = content !== null
    ? { role: "assistant", content }
    : {
        role: "assistant",
        content: null,
        tool_calls: [{
          id: "call_1",
          type: "function",
          function: {
            name: body.tools[0].function.name,
            arguments: JSON.stringify({ tools: body.tools }),
          },
        }],
      };

  return {
    ...head,
    object: "chat.completion",
    choices: [{
      index: 0, message, logprobs: null,
      finish_reason: content !== null ? "stop" : "tool_calls",
    }],
    usage,
  };
}

function* events(body) {
  const { message, finish_reason } = whole(body).choices[0];
  const [call] = message.tool_calls ?? [];
  const said = call ? call.function.arguments : message.content;
  const chunk = (delta, reason = null) => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: reason }],
  });
  const piece = (fields) => chunk({ tool_calls: [{ index: 0, ...fields }] });

  yield chunk({ role: "assistant", content: call ? null : "" });

  if (call) {
    yield piece({ ...call,
      function: { name: call.function.name, arguments: "" } });
  }

  for (let i = 0; i < said.length; i += 9) {
    const part = said.slice(i, i + 9);

    yield call ? piece({ function: { arguments: part } })
               : chunk({ content: part });
  }

  yield chunk({}, finish_reason);

  if (body.stream_options?.include_usage) {
    yield { ...head, object: "chat.completion.chunk", choices: [], usage };
  }
}

async function answer(request, response) {
  const parts = [];

  for await (const part of request) {
    parts.push(part);
  }

  const body = JSON.parse(Buffer.concat(parts).toString());

  if (!body.stream) {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(whole(body)));
    return;
  }

  response.setHeader("Content-Type", "text/event-stream");
  for (const event of events(body)) {
    response.write(`data: ${JSON.stringify(event)}\n\n`);
  }
  response.end("data: [DONE]\n\n");
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.statusCode = 400;
    response.end(JSON.stringify({ error: { message: String(error) } }));
  });
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
