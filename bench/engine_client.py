"""Conversations in, when each token of the answers came out; speaks /v1 to any server."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

_TEXT = (
    "the river carried cold water past old mill and town kept its records there while people from "
    "every village brought grain wool copper salt letters horses news of storms or harvests under "
    "open sky between two hills where a narrow road turned north toward sea"
)
WORDS = _TEXT.split()
_END_TOKEN = "2"  # of the starter model: forbidden, so that all answers are as long as asked
_numbers = itertools.count()


@dataclass(slots=True)
class Answer:
    """One streamed answer; times in seconds of one clock."""

    began_s: float
    times_s: list[float] = field(default_factory=list)  # one a piece of text
    text: str = ""
    n_prompt: int = 0
    n_generated: int = 0

    @property
    def first_s(self):
        """Time to first token."""
        return self.times_s[0] - self.began_s

    @property
    def spent_s(self):
        """From the request to the last token."""
        return self.times_s[-1] - self.began_s

    def tokens_between(self, begin_s, end_s):
        """Count what came in that time; several tokens may have come as one piece."""
        n_pieces = sum(begin_s < at <= end_s for at in self.times_s)
        return n_pieces * self.n_generated / len(self.times_s)

    @property
    def gaps(self):
        """Tell (when, how long) for each pause between two pieces."""
        return [(b, b - a) for a, b in itertools.pairwise(self.times_s)]


def words(n_words, seed=None):
    """Write a text that no other call writes, unless it has the same seed."""
    draw = random.Random(seed if seed is not None else uuid.uuid4().hex)
    return " ".join(draw.choices(WORDS, k=n_words))


def cold(n_words):
    """Ask what no cache knows, from the first words on."""
    head = {"role": "system", "content": f"{uuid.uuid4().hex[:8]} {next(_numbers)}"}
    return [head, {"role": "user", "content": f"Go on with this story: {words(n_words)}"}]


async def ask(url, messages, n_predict, *, on_first=None, **more):
    """Stream one answer over a plain connection: a library would cost as much as a server."""
    body = {
        "model": "smollm2:135m",
        "messages": messages,
        "max_tokens": n_predict,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.8,
        "top_p": 0.95,
        "top_k": 40,
        "logit_bias": {_END_TOKEN: -100},
    }
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port, limit=1 << 22)
    answer = Answer(time.perf_counter())
    try:
        await _post(writer, at.netloc, "/v1/chat/completions", body | more)
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError(f"{url} answers {status!r}: {await reader.read(2000)!r}")
        while line := await reader.readline():
            if line.startswith(b"data: [DONE]"):
                break
            if line.startswith(b"data: "):
                _take(answer, json.loads(line[6:]))
                if on_first is not None and len(answer.times_s) == 1:
                    on_first.set()
    finally:
        writer.close()
    return answer


async def _post(writer, host, path, body):
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)
    await writer.drain()


def _take(answer, event):
    if "error" in event:
        raise RuntimeError(event["error"])
    for choice in event.get("choices", ()):
        if text := choice["delta"].get("content"):
            answer.times_s.append(time.perf_counter())
            answer.text += text
    if usage := event.get("usage"):
        answer.n_prompt, answer.n_generated = usage["prompt_tokens"], usage["completion_tokens"]


async def ask_all(url, conversations, n_predict, **more):
    """Stream several answers at once."""
    return await asyncio.gather(*(ask(url, one, n_predict, **more) for one in conversations))


def embed(client, side, texts):
    """Embed by HTTP; tell the vectors."""
    body = {"model": "all-minilm", "input": texts}
    answer = client.post(f"{side.embed_url}{side.embed_path}", json=body)
    answer.raise_for_status()
    found = answer.json()
    return found["embeddings"] if "embeddings" in found else [x["embedding"] for x in found["data"]]


def client():
    return httpx.Client(timeout=600)
