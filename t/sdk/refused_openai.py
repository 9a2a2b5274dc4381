# Copyright (C) nginx-ai-route contributors

"""The gateway's refusals in OpenAI's own client for Python.

t/tools/sdk-test runs this; its nginx.conf has the keys and the models, and
AI_BASE_URL and AI_REQUEST_IDS are as in openai.mjs.
"""

import asyncio
import threading
import unittest

import openai

from gateway import (BASE_URL, MESSAGES, expect_record, requests, session)

MODEL = "gpt-4o"


def client(name, **options):
    """With the client's own retries: two, unless it is told not to."""
    return openai.OpenAI(
        base_url=BASE_URL, api_key=f"sk-python{name}", timeout=20,
        http_client=session(), **options)


def chat(c, model=MODEL, **more):
    return c.chat.completions.create(model=model, messages=MESSAGES, **more)


class Refusals(unittest.TestCase):

    def refused(self, code, exception, status, error_class, key_id):
        """Refused at once: the error, after one request, recorded so."""
        before = len(requests)

        with self.assertRaises(exception) as caught:
            code()

        error = caught.exception
        sent = [r[0] for r in requests[before:]]

        # not a subclass of it by chance
        self.assertIs(type(error), exception)
        self.assertEqual(error.status_code, status)
        self.assertEqual(len(sent), 1, "it must not be tried again")
        self.assertEqual(error.request_id, sent[0])
        self.assertNotIn("sk-", str(error))
        expect_record(sent[0], outcome="rejected", status=status, attempts=0,
                      error_class=error_class, key_id=key_id)
        return error

    def both(self, key, exception, status, error_class, key_id, code, says,
             **more):
        """Whole and streamed: no stream is returned."""
        for stream in (False, True):
            with self.subTest(stream=stream):
                error = self.refused(
                    lambda: chat(client(key), stream=stream, **more),
                    exception, status, error_class, key_id)
                self.assertEqual(error.code, code)
                self.assertRegex(error.message, says)

        return error

    def test_unknown_key(self):
        self.both("-nobody", openai.AuthenticationError, 401, "auth", "-",
                  "invalid_api_key", "key is not valid")

    def test_disabled_key(self):
        self.both("-off", openai.AuthenticationError, 401, "auth",
                  "python-off", "invalid_api_key", "key is not valid")

    def test_expired_key(self):
        self.both("-old", openai.AuthenticationError, 401, "auth",
                  "python-old", "invalid_api_key", "key has expired")

    def test_model_not_allowed(self):
        error = self.both("-mini", openai.PermissionDeniedError, 403,
                          "permission", "python-mini", "model_not_allowed",
                          '"gpt-4o"')
        self.assertEqual(error.param, "model")

    def test_class_not_allowed(self):
        self.both("-slow", openai.PermissionDeniedError, 403, "permission",
                  "python-slow", "class_not_allowed", "allowed are: slow",
                  extra_headers={"X-AI-Class": "quick"})

    def test_unknown_class(self):
        self.both("", openai.BadRequestError, 400, "invalid_request", "python",
                  "invalid_request_error", "known are: .*quick",
                  extra_headers={"X-AI-Class": "nonsense"})

    def test_unknown_model(self):
        self.both("", openai.NotFoundError, 404, "model_not_found", "python",
                  "model_not_found", '"no-such-model"', model="no-such-model")

    def test_budget_in_total(self):
        error = self.both("-total", openai.RateLimitError, 429,
                          "quota_exhausted", "python-total",
                          "insufficient_quota",
                          '"python-total" would exceed its budget of 0.000001 '
                          "usd in total")
        self.assertEqual(error.type, "insufficient_quota")
        self.assertNotIn("retry-after", error.response.headers)

    def test_requests_per_day(self):
        c = client("-day")
        chat(c)

        for stream in (False, True):
            error = self.refused(lambda: chat(c, stream=stream),
                                 openai.RateLimitError, 429, "rate_limit",
                                 "python-day")
            self.assertEqual(error.code, "rate_limit_exceeded")
            self.assertEqual(error.type, "requests")
            self.assertRegex(error.message, "limit of 1 requests per day, ")

            headers = error.response.headers
            self.assertGreater(int(headers["retry-after"]), 80000)
            self.assertEqual(headers["x-should-retry"], "false")
            self.assertEqual(headers["x-ratelimit-limit-requests"], "1")
            self.assertEqual(headers["x-ratelimit-remaining-requests"], "0")
            self.assertRegex(headers["x-ratelimit-reset-requests"],
                             r"^2[34]h\d+m\d+s$")

    def test_tokens_per_day(self):
        c = client("-tokens")
        chat(c, max_tokens=10)
        error = self.refused(lambda: chat(c, max_tokens=990),
                             openai.RateLimitError, 429, "rate_limit",
                             "python-tokens")
        self.assertEqual(error.type, "tokens")
        self.assertRegex(error.message, "limit of 1000 tokens per day, ")

    def test_requests_per_second(self):
        """The client waits as it is told; its own pause would be shorter."""
        c = client("-second")
        before = len(requests)
        served = []
        threads = [threading.Thread(target=lambda: served.append(
                       c.chat.completions.with_raw_response.create(
                           model=MODEL, messages=MESSAGES).request_id))
                   for _ in range(2)]

        for t in threads:
            t.start()
        for t in threads:
            t.join()

        sent = requests[before:]
        self.assertEqual(len(served), 2)
        self.assertEqual(len(sent), 3, "one of them is sent again")
        self.assertGreater(sent[2][1] - sent[1][1], 0.95)

        for request_id in {s[0] for s in sent} - set(served):
            expect_record(request_id, outcome="rejected", status=429,
                          error_class="rate_limit", key_id="python-second")

    def test_requests_at_once(self):
        c = client("-one")
        stream = chat(c, stream=True,
                      extra_headers={"X-Sim": "words=400,gap=25"})
        error = self.refused(lambda: chat(client("-one", max_retries=0)),
                             openai.RateLimitError, 429, "rate_limit",
                             "python-one")
        self.assertRegex(error.message, "limit of 1 requests at once")
        self.assertEqual(error.response.headers["x-should-retry"], "true")

        # the first one ends while the client waits for that
        before = len(requests)
        ending = threading.Timer(0.1, stream.close)
        ending.start()
        self.assertEqual(chat(c).choices[0].finish_reason, "stop")
        ending.join()
        self.assertEqual(len(requests) - before, 2)
        expect_record(requests[before][0], outcome="rejected", status=429,
                      error_class="rate_limit", key_id="python-one")

    def test_money_per_day(self):
        c = client("-money")
        before = 0

        with self.assertRaises(openai.RateLimitError) as caught:
            for _ in range(100):
                before = len(requests)
                chat(c)

        error = caught.exception
        self.assertEqual(len(requests) - before, 1)
        self.assertEqual(error.code, "insufficient_quota")
        self.assertEqual(error.type, "insufficient_quota")
        self.assertRegex(error.message,
                         r"budget of 0\.011 usd per day, .* it begins anew at "
                         r"\d{4}-\d\d-\d\dT00:00:00Z$")
        expect_record(requests[-1][0], outcome="rejected", status=429,
                      error_class="quota_exhausted", key_id="python-money")

        self.refused(lambda: chat(c, stream=True), openai.RateLimitError, 429,
                     "quota_exhausted", "python-money")

    def test_async(self):
        """The other client of the package."""
        async def ask():
            async with openai.AsyncOpenAI(
                base_url=BASE_URL, api_key="sk-python-total", timeout=20,
                http_client=session(asynchronous=True)) as c:
                await c.chat.completions.create(model=MODEL, messages=MESSAGES,
                                                stream=True)

        self.refused(lambda: asyncio.run(ask()), openai.RateLimitError, 429,
                     "quota_exhausted", "python-total")

    def test_served(self):
        whole = chat(client(""))
        chunks = list(chat(client(""), stream=True))

        self.assertEqual(whole.choices[0].finish_reason, "stop")
        self.assertGreater(whole.usage.total_tokens, 0)
        self.assertEqual(
            "".join(c.choices[0].delta.content or "" for c in chunks),
            whole.choices[0].message.content)

    def test_models(self):
        c = client("")
        one = c.models.retrieve(MODEL)

        self.assertIn(MODEL, [m.id for m in c.models.list()])
        self.assertEqual(one.owned_by, "compatible")
        self.assertEqual(one.context_window, 128000)
        self.assertEqual(one.pricing, {"input": "0.0000025",
                                       "output": "0.00001",
                                       "input_cache_read": "0.00000125"})
        self.assertEqual([m.id for m in client("-mini").models.list()],
                         ["gpt-4o-mini"])
        self.refused(lambda: client("-mini").models.retrieve(MODEL),
                     openai.PermissionDeniedError, 403, "permission",
                     "python-mini")
        self.refused(lambda: c.models.retrieve("no-such-model"),
                     openai.NotFoundError, 404, "model_not_found", "python")


if __name__ == "__main__":
    unittest.main(verbosity=2)
