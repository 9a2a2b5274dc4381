# Copyright (C) nginx-ai-route contributors

"""LiteLLM and its Router in front of the gateway.

t/tools/sdk-test runs this; its nginx.conf has the models.
"""

import asyncio
import unittest

import litellm
import openai

from gateway import (BASE_URL, MESSAGES, counted, expect_record, make_file,
                     sent_by, session)

MODEL = "openai/gpt-4o-mini"
TO = {"api_base": BASE_URL, "api_key": "sk-python", "timeout": 20}

litellm.suppress_debug_info = True


def client(key="sk-python"):
    return openai.OpenAI(base_url=BASE_URL, api_key=key, timeout=20,
                         max_retries=0, http_client=session())


def complete(model=MODEL, key="sk-python", sim=None, **more):
    headers = {"X-Sim": sim} if sim else {}
    return litellm.completion(model=model, messages=MESSAGES, timeout=20,
                              client=client(key), extra_headers=headers,
                              **more)


class LiteLLM(unittest.TestCase):

    def one(self, code):
        answer, error, sent = sent_by(code)

        if error:
            raise error

        self.assertEqual(len(sent), 1)
        return answer

    def failure(self, code, exception, status):
        answer, error, sent = sent_by(code)

        self.assertIs(type(error), exception, error)
        self.assertEqual(error.status_code, status)
        self.assertEqual(len(sent), 1, "it must not be tried again")
        self.assertNotIn("sk-", str(error))
        return error, sent

    def test_completion(self):
        answer = self.one(complete)

        self.assertRegex(answer.choices[0].message.content, "^word0 word1")
        self.assertGreater(answer.usage.total_tokens, 0)

    def test_streaming(self):
        chunks = self.one(lambda: list(complete(
            stream=True, stream_options={"include_usage": True})))
        text = "".join(c.choices[0].delta.content or "" for c in chunks
                       if c.choices)

        self.assertRegex(text, "^word0 word1")
        self.assertGreater(chunks[-1].usage.completion_tokens, 0)

    def test_asynchronous(self):
        async def ask():
            async with openai.AsyncOpenAI(
                base_url=BASE_URL, api_key="sk-python", max_retries=0,
                http_client=session(asynchronous=True)) as c:
                return await litellm.acompletion(
                    model=MODEL, messages=MESSAGES, client=c)

        answer = self.one(lambda: asyncio.run(ask()))
        self.assertEqual(answer.choices[0].finish_reason, "stop")

    def test_tools(self):
        tools = [{"type": "function", "function": {
            "name": "get_weather", "parameters": {
                "type": "object", "properties": {}}}}]
        answer = self.one(lambda: complete("openai/tools", tools=tools))
        call = answer.choices[0].message.tool_calls[0]

        self.assertEqual(call.function.name, "get_weather")
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")

    def test_embedding(self):
        answer = self.one(lambda: litellm.embedding(
            model=MODEL, input=["Say hello."], client=client()))

        self.assertEqual(len(answer.data[0]["embedding"]), 8)

    def test_transcription(self):
        path, sha1 = make_file("litellm.wav", 5 * 1024 * 1024)

        with open(path, "rb") as f:
            answer = self.one(lambda: litellm.transcription(
                model="openai/upload", file=f, client=client()))

        self.assertRegex(answer.text, "^word0 word1")

    def test_errors(self):
        self.failure(lambda: complete("openai/no-such-model"),
                     litellm.NotFoundError, 404)
        self.failure(lambda: complete(key="sk-nobody"),
                     litellm.AuthenticationError, 401)
        self.failure(lambda: complete("openai/gpt-4o", key="sk-python-total"),
                     litellm.RateLimitError, 429)
        # LiteLLM has no class of its own for what is forbidden
        self.failure(lambda: complete("openai/gpt-4o", key="sk-python-mini"),
                     litellm.APIError, 403)
        self.failure(
            lambda: complete(sim="status=400,code=context_length_exceeded"),
            litellm.ContextWindowExceededError, 400)

    def test_retries(self):
        before = counted()
        error, sent = self.failure(
            lambda: complete("openai/retry-litellm", sim="status=500",
                             num_retries=0),
            litellm.BadGatewayError, 502)
        reached = counted() - before

        self.assertGreaterEqual(reached, 2)
        expect_record(sent[0], attempts=reached)

    def test_router(self):
        """Its retries are switched off, as docs/clients.md says."""
        litellm.client_session = session()
        router = litellm.Router(num_retries=0, disable_cooldowns=True,
            model_list=[
                {"model_name": name,
                 "litellm_params": {"model": f"openai/{name}", **TO}}
                for name in ("gpt-4o-mini", "retry-router")])

        answer, error, _ = sent_by(lambda: router.completion(
            model="gpt-4o-mini", messages=MESSAGES))
        self.assertIsNone(error)
        self.assertEqual(answer.choices[0].finish_reason, "stop")

        before = counted()
        _, error, sent = sent_by(lambda: router.completion(
            model="retry-router", messages=MESSAGES,
            extra_headers={"X-Sim": "status=500"}))
        reached = counted() - before

        self.assertIsNotNone(error)
        self.assertEqual(len(sent), 1, f"{len(sent)} requests, {error}")
        self.assertGreaterEqual(reached, 2)
        expect_record(sent[0], attempts=reached)


if __name__ == "__main__":
    unittest.main(verbosity=2)
