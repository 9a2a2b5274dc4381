# Copyright (C) nginx-ai-route contributors

"""What the tests of the clients share, as gateway.mjs does.

AI_BASE_URL and AI_REQUEST_IDS are as in openai.mjs.
"""

import hashlib
import json
import os
import time
import urllib.request
import uuid

import openai

BASE_URL = os.environ["AI_BASE_URL"]
ID_FILE = os.environ.get("AI_REQUEST_IDS")
MESSAGES = [{"role": "user", "content": "Say hello."}]

# Every request has an id of its own, also one that the client repeats.

requests = []


def note(line):
    if ID_FILE:
        with open(ID_FILE, "a") as f:
            f.write(line + "\n")


def identify(request):
    request_id = str(uuid.uuid4())
    request.headers["X-Request-ID"] = request_id
    requests.append((request_id, time.monotonic()))
    note(request_id)


async def identify_async(request):
    identify(request)


def expect_record(request_id, **fields):
    note(" ".join([request_id] + [f"{k}={v}" for k, v in fields.items()]))


def session(asynchronous=False):
    """An HTTP client of the SDK's own make that gives each request its id."""
    if asynchronous:
        return openai.DefaultAsyncHttpxClient(
            event_hooks={"request": [identify_async]})

    return openai.DefaultHttpxClient(event_hooks={"request": [identify]})


def sent_by(code):
    """The ids of the requests that were sent meanwhile, and what came."""
    before = len(requests)
    result = error = None

    try:
        result = code()
    except Exception as e:
        error = e

    return result, error, [r[0] for r in requests[before:]]


def counted():
    """How many reached the provider that only the tests of retries ask."""
    url = os.environ["AI_COUNTED"] + "/__stats"

    with urllib.request.urlopen(url) as answer:
        return json.load(answer)["requests"]


def make_file(name, size):
    """A file of random bytes: its path and SHA-1."""
    path = os.path.join(os.environ["AI_FILES"], name)
    data = os.urandom(size)

    with open(path, "wb") as f:
        f.write(data)

    return path, hashlib.sha1(data).hexdigest()
