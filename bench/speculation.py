"""A chat model in, what trying tokens ahead brings out: tokens per second with and without.

Both sides are one loaded model and take turns in one run, so that a busy machine disturbs both.

    python -m bench.speculation [--models FOLDER] [--model NAME] [--draft NAME] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import describe
from bench.starters import install
from engine.config import calm_openmp
from engine.library.store import Library
from engine.runtime.grammar import grammar_of
from engine.types import Final, Options

if TYPE_CHECKING:  # loaded once OpenMP is calm
    from engine.runtime.runners import ChatRunner

N_CTX = 2048
PASSAGE = (
    "The harbour of Ostfield was built in 1843 by the engineer Mary Collins. It has three basins, "
    "two of which are deep enough for ocean steamers, and a lighthouse of forty-one metres. In the "
    "winter of 1902 ice closed the northern basin for eleven weeks, and the fishermen carried "
    "their catch over the dam. Since 1966 the old warehouses hold a museum, a school for boat "
    "builders, and a library with nine thousand volumes on the history of the coast."
)
SCHEMA = {
    "type": "object",
    "properties": {
        "people": {
            "type": "array",
            "minItems": 4,
            "maxItems": 4,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 20},
                    "age": {"type": "integer"},
                    "city": {"type": "string", "maxLength": 20},
                },
                "required": ["name", "age", "city"],
            },
        }
    },
    "required": ["people"],
}


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of answer."""

    name: str
    question: str
    begun: str = ""  # words that the answer begins with
    grammar: str | None = None
    options: Options = Options(temperature=0, num_predict=128)


@dataclass(frozen=True, slots=True)
class Told:
    """One measured answer."""

    tokens_per_s: float
    cpu_s: float  # of the processor, a token
    acceptance: float
    per_step: float  # accepted tokens a step


def tasks() -> list[Task]:
    """List what is measured."""
    warm = Options(temperature=0.8, seed=7, num_predict=128)
    return [
        Task("quoting", f"Copy this text.\n\n{PASSAGE}", f"{PASSAGE}\n\n{PASSAGE[:60]}"),
        Task("chat, greedy", "Explain why the sky is blue and why sunsets are red."),
        Task("chat, 0.8", "Tell a story about a fox who learns to swim.", options=warm),
        Task("JSON", "Invent four people.", grammar=grammar_of(SCHEMA)),
    ]


def ask(runner: ChatRunner, task: Task, n_drafted: int, salt: str) -> Told:
    """Answer once; the salt keeps the prompt out of what the slots hold."""
    from engine.runtime.sampler_native import Sampler
    from engine.runtime.slots import Generation
    from engine.runtime.stream import TextStream

    text = (
        f"<|im_start|>system\n{salt}<|im_end|>\n<|im_start|>user\n{task.question}<|im_end|>\n"
        f"<|im_start|>assistant\n{task.begun}"
    )
    options = replace(task.options, draft_num=n_drafted)
    prompt = runner.prompt(text, add_special=True)
    sampler = Sampler(runner.model, options, n_ctx=runner.n_ctx, grammar=task.grammar)
    work = Generation(prompt, options, sampler, TextStream(()), options.num_predict)
    before, began_s = runner.worker.stats().n_steps, time.process_time()
    final = next(one for one in runner.worker.stream(work) if isinstance(one, Final))
    n_steps = runner.worker.stats().n_steps - before
    speed = (final.n_generated - 1) / (final.generate_ns / 1e9)
    acceptance = final.n_accepted / max(1, final.n_drafted)
    cpu_s = (time.process_time() - began_s) / final.n_generated
    return Told(speed, cpu_s, acceptance, final.n_accepted / max(1, n_steps))


def measure(runner: ChatRunner, n_rounds: int) -> Iterator[str]:
    """Compare with and without, in turns."""
    yield "| workload | without, tokens/s | with | ratio | of processor time | accepted | a step |"
    yield "|---|---|---|---|---|---|---|"
    for task in tasks():
        plain: list[Told] = []
        tried: list[Told] = []
        for number in range(n_rounds):
            pair = [(0, plain), (-1, tried)]
            for n_drafted, into in pair if number % 2 == 0 else reversed(pair):
                into.append(ask(runner, task, n_drafted, f"Be brief. {number}"))
        speeds = [statistics.median(one.tokens_per_s for one in side) for side in (plain, tried)]
        ratio = statistics.median(
            two.tokens_per_s / one.tokens_per_s for one, two in zip(plain, tried, strict=True)
        )
        worked = statistics.median(
            one.cpu_s / two.cpu_s for one, two in zip(plain, tried, strict=True)
        )
        yield (
            f"| {task.name} | {speeds[0]:.0f} | {speeds[1]:.0f} | {ratio:.2f} | {worked:.2f} "
            f"| {statistics.median(one.acceptance for one in tried):.0%} "
            f"| {statistics.median(one.per_step for one in tried):.1f} |"
        )


def costs(runner: ChatRunner, n_rounds: int = 15) -> Iterator[str]:
    """Measure a step of one sequence by its rows, after 256 tokens."""
    from engine.runtime.batch_native import Batch
    from engine.runtime.llama import Context
    from engine.runtime.runners import choose_threads, physical_cores

    yield "| rows | step, ms | in steps of one | by processor time |"
    yield "|---|---|---|---|"
    sizes = (1, 2, 3, 4, 5, 6, 8, 12, 16)
    found: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
    n_threads = choose_threads(0, physical_cores())
    context = Context(runner.model, n_ctx=512, n_sequences=1, n_batch=256, n_threads=n_threads)
    batch = Batch(256)
    try:
        batch.extend(range(1000, 1256), 0, 0, n_outputs=1)
        context.decode(batch)
        for _ in range(n_rounds):
            for size in sizes:
                context.forget(0, 256)
                batch.clear()
                batch.extend(range(2000, 2000 + size), 256, 0, n_outputs=size)
                began_s, began_cpu_s = time.perf_counter(), time.thread_time()
                context.decode(batch)
                context.logits(size - 1)
                spent_s, cpu_s = time.perf_counter() - began_s, time.thread_time() - began_cpu_s
                found[size].append((spent_s, cpu_s))
    finally:
        context.close()
    one_s, one_cpu_s = _medians(found[1])
    for size, times in found.items():
        spent_s, cpu_s = _medians(times)
        ratios = f"{spent_s / one_s:.2f} | {cpu_s / one_cpu_s:.2f}"
        yield f"| {size} | {1e3 * spent_s:.1f} | {ratios} |"


def _medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(one[0] for one in times), statistics.median(one[1] for one in times)


@contextmanager
def opened(folder: Path, name: str, draft: str, num_gpu: int) -> Iterator[ChatRunner]:
    """Load the model for one answer at a time."""
    from engine.runtime.gate import Gate
    from engine.runtime.runners import ChatRunner, LoadPlan

    library = Library(folder)
    options = Options(num_gpu=num_gpu, draft_model=draft)
    plan = LoadPlan(
        library.find(name).model_path,
        options,
        N_CTX,
        n_slots=1,
        max_queue=4,
        has_extra_buffers=True,
        draft_path=library.find(draft).model_path if draft else None,
    )
    runner = ChatRunner(plan, Gate())
    try:
        yield runner
    finally:
        runner.close()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, help="else the starter models")
    parser.add_argument("--model", default="smollm2:135m")
    parser.add_argument("--draft", default="", help="a second model that drafts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--num-gpu", type=int, default=-1)
    given = parser.parse_args()
    calm_openmp(os.environ)  # noqa: TID251
    print(describe())
    with ExitStack() as opening:
        folder = given.models or Path(opening.enter_context(tempfile.TemporaryDirectory()))
        if given.models is None:
            install(folder)
        runner = opening.enter_context(opened(folder, given.model, given.draft, given.num_gpu))
        for line in costs(runner):
            print(line)
        print()
        for line in measure(runner, given.rounds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
