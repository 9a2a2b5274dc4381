# Copyright (C) nginx-ai-route contributors

"""OpenAI's client for Python, as openai-kept.mjs has that for Node.

t/tools/sdk-test runs this; its nginx.conf has the models.
"""

import asyncio
import typing
import unittest

import openai
import pydantic

from gateway import (BASE_URL, MESSAGES, counted, expect_record, make_file,
                     sent_by, session)

SIZE = 5 * 1024 * 1024
PATH, SHA1 = make_file("python.wav", SIZE)
OPTIONS = {"base_url": BASE_URL, "api_key": "sk-python", "timeout": 20}

client = openai.OpenAI(http_client=session(), **OPTIONS)
raw = client.with_raw_response


class Day(pydantic.BaseModel):
    warm: bool
    degrees: int


class Weather(pydantic.BaseModel):
    town: typing.Literal["Zürich", "東京"]
    days: list[Day]


class Kept(unittest.TestCase):

    def one(self, code, account=None):
        """The client must get by without its own retries."""
        answer, error, sent = sent_by(code)

        if error:
            raise error

        self.assertEqual(len(sent), 1, "the client had to send more than once")

        if account:
            self.assertEqual(answer.headers["x-ai-account"], account)
            return answer.parse()

        return answer

    def failure(self, code, exception):
        answer, error, sent = sent_by(code)

        self.assertIs(type(error), exception, error)
        self.assertEqual(len(sent), 1)
        self.assertEqual(error.request_id, sent[0])
        return error

    def same_file(self, answer):
        told = answer.model_extra["sim_file"]
        self.assertEqual(told["bytes"], SIZE)
        self.assertEqual(told["sha1"], SHA1)

    def test_transcription(self):
        with open(PATH, "rb") as f:
            answer = self.one(lambda: raw.audio.transcriptions.create(
                file=f, model="upload"), "account_c")

        self.assertRegex(answer.text, "^word0 word1")
        self.same_file(answer)

    def test_transcription_async(self):
        async def ask():
            async with openai.AsyncOpenAI(
                http_client=session(asynchronous=True), **OPTIONS) as c:
                with open(PATH, "rb") as f:
                    return await c.audio.transcriptions.create(
                        file=f, model="upload")

        self.same_file(self.one(lambda: asyncio.run(ask())))

    def test_transcription_streamed(self):
        events = list(client.audio.transcriptions.create(
            file=("a.wav", b"RIFF, or so"), model="upload", stream=True))

        self.assertEqual(events[-1].type, "transcript.text.done")
        self.assertEqual("".join(e.delta for e in events[:-1]), events[-1].text)

    def test_image(self):
        with open(PATH, "rb") as f:
            answer = self.one(lambda: raw.images.edit(
                image=f, prompt="A cat, please.", model="upload", n=2),
                "account_c")

        self.assertEqual(len(answer.data), 2)
        self.same_file(answer)

    def test_file(self):
        for account in "account_c", "account_b":
            to = {"X-AI-Account": account}

            with open(PATH, "rb") as f:
                made = self.one(lambda: raw.files.create(
                    file=f, purpose="batch", extra_headers=to), account)

            self.assertEqual(made.bytes, SIZE)
            self.assertEqual(made.filename, "python.wav")

            again = self.one(lambda: raw.files.retrieve(made.id), account)
            self.assertEqual(again, made)

            content = self.one(lambda: client.files.content(made.id))
            with open(PATH, "rb") as f:
                self.assertEqual(content.read(), f.read())

            self.assertIn(made.id, [f.id for f in client.files.list(
                extra_headers=to)])
            self.assertTrue(client.files.delete(made.id).deleted)
            self.failure(lambda: client.files.retrieve(made.id),
                         openai.NotFoundError)

    def test_batch(self):
        made = client.files.create(
            file=("in.jsonl", b"{}\n{}\n"), purpose="batch",
            extra_headers={"X-AI-Account": "account_c"})
        batch = self.one(lambda: raw.batches.create(
            input_file_id=made.id, endpoint="/v1/chat/completions",
            completion_window="24h"), "account_c")
        done = self.one(lambda: raw.batches.retrieve(batch.id), "account_c")

        self.assertEqual(batch.status, "validating")
        self.assertEqual(done.status, "completed")
        self.assertEqual(
            client.files.content(done.output_file_id).text.count("\n"), 2)

    def test_response(self):
        for model, account in (("store-c", "account_c"),
                               ("store-b", "account_b")):
            first = self.one(lambda: raw.responses.create(
                model=model, input="Say hello."), account)
            read = self.one(lambda: raw.responses.retrieve(first.id), account)
            self.assertEqual(read.output_text, first.output_text)

            for other in "store-b", "store-c":
                second = self.one(lambda: raw.responses.create(
                    model=other, input="And again.",
                    previous_response_id=first.id), account)
                self.assertEqual(second.previous_response_id, first.id)

            with client.responses.stream(
                model="store-b", input="And again.",
                previous_response_id=second.id) as stream:
                third = stream.get_final_response()

            self.one(lambda: raw.responses.retrieve(third.id), account)
            client.responses.delete(first.id)
            self.failure(lambda: client.responses.retrieve(first.id),
                         openai.NotFoundError)

    def test_structured(self):
        wanted = Weather(town="Zürich", days=[Day(warm=True, degrees=7)])
        ask = {"model": "tools", "messages": MESSAGES,
               "response_format": Weather}
        whole = self.one(lambda: client.chat.completions.parse(**ask))

        self.assertEqual(whole.choices[0].message.parsed, wanted)

        with client.chat.completions.stream(**ask) as stream:
            streamed = stream.get_final_completion()

        self.assertEqual(streamed.choices[0].message.parsed, wanted)

    def test_moderation(self):
        answer = self.one(lambda: raw.moderations.create(
            model="store-b", input="Say hello."), "account_b")
        self.assertFalse(answer.results[0].flagged)

    def test_speech(self):
        answer = self.one(lambda: client.audio.speech.create(
            model="upload", voice="alloy", input="Say hello."))
        self.assertEqual(answer.read(), b"\xff" * 2048)

    def test_retries(self):
        """The client retries twice; the gateway has asked both by then."""
        before = counted()

        with open(PATH, "rb") as f:
            error = self.failure(lambda: client.audio.transcriptions.create(
                file=f, model="retry-python",
                extra_headers={"X-Sim": "status=500"}),
                openai.InternalServerError)

        reached = counted() - before
        self.assertEqual(error.response.headers["x-should-retry"], "false")
        self.assertEqual(reached,
                         int(error.response.headers["x-ai-attempts"]))
        self.assertGreaterEqual(reached, 2)
        expect_record(error.request_id, attempts=reached)


if __name__ == "__main__":
    unittest.main(verbosity=2)
