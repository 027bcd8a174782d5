"""Prompts → greedy answers alone, batched, speculated, on a reused prefix; lists where they part.

llama.cpp's scores differ in the last digits between batch shapes, so two greedy runs may part where
the two best tokens nearly tie. The tolerance is what batch shapes alone do to the gap between the
two best, measured in the same run up to where the answers part.

    python -m bench.agreement [--prompts 200] [--tokens 32]
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.machine import describe
from bench.starters import starter_engine
from engine.config import calm_openmp
from engine.types import Final, GenerateRequest, Piece

MODEL = "smollm2:135m"
N_PARALLEL = 8
PLACES = ["Leeds", "Suzhou", "Nairobi", "Oslo", "Lima", "Kyoto", "Perth", "Cairo"]
THINGS = ["copper", "salt", "glass", "amber", "silk", "tea", "cedar", "wool"]
FORMS = (
    "Write one sentence about {thing} from {place}.",
    "List three uses of {thing}, numbered.",
    "Repeat this word for word, three times: the {thing} of {place} was weighed {n} times.",
    "Answer in JSON with the keys place and thing: {n} crates of {thing} went to {place}.",
    "Continue the story: On day {n} the caravan with {thing} left {place} and",
    "What is {n} plus {m}? Explain step by step.",
    "Write a short Python function named {thing}_{n} that adds two numbers.",
    "用一句话介绍{place}的{thing}。",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The tokens of one answer, each with the gap between the two best (natural logarithm)."""

    tokens: tuple[bytes, ...]
    gaps: tuple[float, ...]
    n_reused: int
    n_drafted: int


def prompts(count: int) -> list[str]:
    """Make prompts, the same ones each time."""
    chance = random.Random(7)
    found = []
    for at in range(count):
        form = FORMS[at % len(FORMS)]
        values = {"n": chance.randrange(2, 900), "m": chance.randrange(2, 900)}
        text = form.format(place=chance.choice(PLACES), thing=chance.choice(THINGS), **values)
        found.append(f"{at}. {text}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=32)
    options = parser.parse_args()
    calm_openmp(os.environ)  # noqa: TID251
    print(describe())
    texts = prompts(options.prompts)
    with (
        tempfile.TemporaryDirectory() as folder,
        starter_engine(Path(folder), n_ctx=1024, n_parallel=N_PARALLEL) as engine,
    ):
        runs = measure(engine, texts, options.tokens)
    report(texts, runs)


def measure(engine, texts, n_tokens):
    """Compute every prompt in every way."""

    def alone(text, draft=0):
        return ask(engine, text, n_tokens, draft)

    runs = {"alone": [alone(text) for text in texts]}
    with ThreadPoolExecutor(N_PARALLEL) as threads:
        runs["batched"] = list(threads.map(alone, texts))
    runs["speculated"] = [alone(text, draft=8) for text in texts]
    # At once after the same prompt: all of it but the last token is in a slot.
    runs["prefix reused"] = [(alone(text), alone(text))[1] for text in texts]
    with ThreadPoolExecutor(N_PARALLEL) as threads:
        runs["batched, speculated, reused"] = list(
            threads.map(lambda text: alone(text, draft=8), texts)
        )
    return runs


def ask(engine, text, n_tokens, draft):
    request = GenerateRequest(
        MODEL,
        text,
        n_top_logprobs=2,
        options={"temperature": 0.0, "num_predict": n_tokens, "draft_num": draft, "seed": 1},
    )
    tokens, gaps = [], []
    for event in engine.generate(request):
        if isinstance(event, Piece):
            for one in event.logprobs:
                tokens.append(one.raw)
                gaps.append(one.top[0].logprob - one.top[1].logprob)
        elif isinstance(event, Final):
            return Answer(tuple(tokens), tuple(gaps), event.n_reused, event.n_drafted)
    raise AssertionError("no last event")


def parting(left: Answer, right: Answer) -> int | None:
    """Find the first token that differs; None if there is none."""
    for at, (one, other) in enumerate(zip(left.tokens, right.tokens, strict=False)):
        if one != other:
            return at
    shorter = min(len(left.tokens), len(right.tokens))
    return None if len(left.tokens) == len(right.tokens) else shorter


def shifts(left: Answer, right: Answer) -> list[float]:
    """List how much the gap between the two best changed, up to where the answers part."""
    end = parting(left, right)
    pairs = zip(left.gaps[:end], right.gaps[:end], strict=False)
    return [abs(one - other) for one, other in pairs]


def report(texts, runs):
    plain = runs.pop("alone")
    pairs = zip(plain, runs["batched"], strict=True)
    moved = sorted(shift for one, other in pairs for shift in shifts(one, other))
    tolerance = moved[-1]
    print(
        "gap between the two best, alone against batched, natural logarithm: median shift "
        f"{moved[len(moved) // 2]:.2e}, 99 % {moved[int(0.99 * len(moved))]:.2e}, most "
        f"{tolerance:.2e} (the tolerance)"
    )
    for name, answers in runs.items():
        places = [parting(one, other) for one, other in zip(plain, answers, strict=True)]
        parted = [
            (text, at, one.gaps[at] if at < len(one.gaps) else float("inf"))
            for text, one, at in zip(texts, plain, places, strict=True)
            if at is not None
        ]
        print(
            f"{name}: {len(texts) - len(parted)} of {len(texts)} equal, "
            f"{sum(gap > tolerance for _, _, gap in parted)} parted beyond the tolerance; "
            f"{sum(one.n_reused for one in answers)} tokens reused, "
            f"{sum(one.n_drafted for one in answers)} drafted"
        )
        for text, at, gap in parted:
            print(f"    token {at:3d}  gap {gap:.4f}  {text[:60]!r}")


if __name__ == "__main__":
    main()
