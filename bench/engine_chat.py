"""Two servers in, rows about streams out: speed, waiting, pauses, reuse; medians of runs."""

from __future__ import annotations

import asyncio
import statistics

from bench.engine_client import ask, ask_all, cold, words
from bench.engine_table import Seen, limit, p95, speed, wait

N_WORDS, N_PREDICT = 92, 128  # a prompt of about 128 tokens with the template's own
SHORT_WORDS = 40
LONG_WORDS = 1_960  # about 2,000 tokens
PASSAGE_WORDS = 1_460  # about 1,500 tokens


def alternating(sides, runs, measure):
    """Measure each side in turn; tell what was seen: ours, then the other's."""
    found = {side.name: Seen() for side in sides}
    for run in range(runs):
        for side in sides if run % 2 == 0 else sides[::-1]:
            before_s = side.cpu_s
            found[side.name].values.append(asyncio.run(measure(side)))
            found[side.name].cpu_s.append(side.cpu_s - before_s)
    ours, *others = (found[side.name] for side in sides)
    return ours, (others[0] if others else Seen())


def decode(sides, runs):
    async def one(side):
        answer = await ask(side.chat_url, cold(N_WORDS), N_PREDICT)
        return answer.n_generated / answer.spent_s, answer

    ours, others = alternating(sides, runs, one)
    cpu = (ours.cpu_s, others.cpu_s)
    n_prompt = ours.values[0][1].n_prompt
    yield speed(
        f"decode, 1 stream, cold prompt of {n_prompt} + {N_PREDICT} tokens",
        ours.at(0),
        others.at(0),
        at_least=0.97,
        cpu=cpu,
    )
    yield speed(
        "the same without the prompt: from the first token on",
        [_pace(answer) for answer in ours.at(1)],
        [_pace(answer) for answer in others.at(1)],
        at_least=0.97,
    )


def _pace(answer):
    return (answer.n_generated - 1) / (answer.times_s[-1] - answer.times_s[0])


def aggregate(sides, runs):
    for n_streams in (8, 16):

        async def all_of_them(side, n=n_streams):
            answers = await ask_all(side.chat_url, [cold(N_WORDS) for _ in range(n)], N_PREDICT)
            ended_s = max(one.times_s[-1] for one in answers)
            return sum(one.n_generated for one in answers) / (
                ended_s - min(one.began_s for one in answers)
            )

        ours, others = alternating(sides, runs, all_of_them)
        measure = f"aggregate, {n_streams} streams, cold prompts, {N_PREDICT} tokens each"
        cpu = (ours.cpu_s, others.cpu_s)
        yield speed(measure, ours.values, others.values, at_least=1.0, cpu=cpu)


def first_tokens(sides, runs):
    """Let 8 questions come right behind a long prompt."""

    async def behind_long(side):
        long = asyncio.create_task(ask(side.chat_url, cold(LONG_WORDS), 8))
        await asyncio.sleep(0.02)
        answers = await ask_all(side.chat_url, [cold(SHORT_WORDS) for _ in range(8)], 24)
        n_long = (await long).n_prompt
        return p95([one.first_s for one in answers]) * 1e3, n_long

    ours, others = alternating(sides, runs, behind_long)
    yield wait(
        f"time to first token p95 of 8 streams while a prompt of {ours.at(1)[0]:,} tokens arrives",
        ours.at(0),
        others.at(0),
    )


def pauses(sides, runs):
    """Let a long prompt come while 8 answers stream."""

    async def interrupted(side):
        began = asyncio.Event()
        streams = [
            asyncio.create_task(ask(side.chat_url, cold(SHORT_WORDS), 160, on_first=began))
            for _ in range(8)
        ]
        await began.wait()
        await asyncio.sleep(0.5)
        long = await ask(side.chat_url, cold(LONG_WORDS), 1)
        answers = await asyncio.gather(*streams)
        return _pause_in_steps(answers, long.began_s, long.times_s[0])

    ours, others = alternating(sides, runs, interrupted)
    yield limit(
        "longest pause of 8 streams while a long prompt is computed, in steps of that time",
        ours.at(0),
        at_most=2,
        unit="steps",
        digits=1,
        seen=others.at(0),
    )
    yield wait("the same in milliseconds", ours.at(1), others.at(1))


def _pause_in_steps(answers, begin_s, end_s):
    """Tell the longest pause in that time: in usual ones, in milliseconds."""
    gaps = [gap for one in answers for at, gap in one.gaps if begin_s <= at - gap and at <= end_s]
    if not gaps:  # not one token came in that time
        gaps = [max(gap for _, gap in one.gaps) for one in answers]
        usual = statistics.median(gap for one in answers for _, gap in one.gaps)
        return max(gaps) / usual, max(gaps) * 1e3
    return max(gaps) / statistics.median(gaps), max(gaps) * 1e3


def reuse(sides, runs):
    """Ask a second question over the same passages while the first is still being answered."""

    async def twice(side):
        passages = words(PASSAGE_WORDS)
        answering = asyncio.Event()
        ask_first = ask(side.chat_url, _over(passages, "Who came?"), 96, on_first=answering)
        first = asyncio.create_task(ask_first)
        await answering.wait()
        second = await ask(side.chat_url, _over(passages, "What did the river carry?"), 8)
        return (await first).first_s * 1e3, second.first_s * 1e3, second.n_prompt

    ours, others = alternating(sides, runs, twice)
    measure = f"time to first token, second question over the same {ours.at(2)[0]:,} tokens"
    yield wait(
        f"{measure}, other slot",
        ours.at(1),
        ours.at(0),
        at_most=1 / 8,
        other="our cold one",
    )
    yield wait(measure, ours.at(1), others.at(1))


def _over(passages, question):
    head = {"role": "system", "content": f"Answer from these passages: {passages}"}
    return [head, {"role": "user", "content": question}]
