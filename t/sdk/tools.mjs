// Copyright (C) nginx-ai-route contributors
//
// An account that calls tools, which the simulated provider does not: it
// calls the first tool of the request, and the arguments of the call are the
// request's tools, so that the client can compare them.  Asked with a tool's
// result it repeats that.
//
//   node tools.mjs      prints the port that it listens on, on 127.0.0.1

import { createServer } from "node:http";

const head = { id: "chatcmpl-tools", created: 1700000000, model: "tools" };
const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

function whole(body) {
  const last = body.messages.at(-1);
  const result = last.role === "tool";
  const message = result
    ? { role: "assistant", content: `${last.tool_call_id}: ${last.content}` }
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
      finish_reason: result ? "stop" : "tool_calls",
    }],
    usage,
  };
}

function* events(body) {
  const [call] = whole(body).choices[0].message.tool_calls;
  const text = call.function.arguments;
  const chunk = (delta, reason = null) => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: reason }],
  });
  const piece = (fields) => chunk({ tool_calls: [{ index: 0, ...fields }] });

  yield chunk({ role: "assistant", content: null });
  yield piece({ ...call,
    function: { name: call.function.name, arguments: "" } });

  for (let i = 0; i < text.length; i += 9) {
    yield piece({ function: { arguments: text.slice(i, i + 9) } });
  }

  yield chunk({}, "tool_calls");

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
