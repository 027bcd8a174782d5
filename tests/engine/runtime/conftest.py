"""Tiny models for the runtime's tests, and short ways to ask them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.runtime.gate import Gate
from engine.runtime.runners import ChatRunner, LoadPlan
from engine.runtime.sampler_native import Sampler
from engine.runtime.slots import Generation
from engine.runtime.stream import TextStream
from engine.types import Final, Options, Piece, TokenLogprob
from tests.engine.runtime import tiny_models

GREEDY = Options(temperature=0, num_thread=1)  # tiny models: a second thread only waits


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A folder with one tiny file of every kind."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_models.write_chat(folder / "chat.gguf")
    tiny_models.write_chat(folder / "mrope.gguf", arch="qwen2vl")
    template = "<think>Query: {query} Document: {document}</think>"
    tiny_models.write_chat(folder / "yesno.gguf", arch="qwen3", templates={"rerank": template})
    tiny_models.write_bert(folder / "bert.gguf")
    tiny_models.write_reranker(folder / "reranker.gguf")
    tiny_models.write_reranker(folder / "labels.gguf", n_labels=3)
    tiny_models.write_lora(folder / "lora.gguf")
    tiny_models.write_lora(folder / "other-lora.gguf", n_embd=48)
    for kind in ("mlp", "gemma3", "qwen2vl_merger", "ultravox"):
        tiny_models.write_projector(folder / f"{kind}.gguf", kind=kind)
    tiny_models.write_projector(folder / "other-mlp.gguf", n_out=48)
    tiny_models.write_projector(folder / "crash.gguf", kind="qwen2vl_merger", is_crashing=True)
    return folder


def plan_of(path: Path, *, n_ctx: int = 256, n_slots: int = 2, **more) -> LoadPlan:
    return LoadPlan(path, GREEDY, n_ctx, n_slots, max_queue=8, has_extra_buffers=True, **more)


@dataclass(frozen=True)
class Said:
    text: str
    pieces: list[Piece]
    final: Final

    @property
    def logprobs(self) -> list[TokenLogprob]:
        return [one for piece in self.pieces for one in piece.logprobs]


def generation(runner: ChatRunner, text: str, options: Options = GREEDY, **more) -> Generation:
    """Make a request; `images`, `limit`, `grammar`, `grammar_after` and Generation's own fields."""
    images, limit = more.pop("images", ()), more.pop("limit", 12)
    bound = {name: more.pop(name) for name in ("grammar", "grammar_after") if name in more}
    prompt = runner.prompt(text, images, add_special=True)
    sampler = Sampler(runner.model, options, n_ctx=runner.n_ctx, **bound)
    return Generation(prompt, options, sampler, TextStream(options.stop), limit, **more)


def say(runner: ChatRunner, text: str, options: Options = GREEDY, **more) -> Said:
    events = list(runner.worker.stream(generation(runner, text, options, **more)))
    pieces = [one for one in events if isinstance(one, Piece)]
    assert isinstance(events[-1], Final)
    return Said("".join(one.text for one in pieces), pieces, events[-1])


@pytest.fixture(scope="session")
def tiny_chat(tiny) -> Iterator[ChatRunner]:
    """The tiny chat model, loaded once: 256 tokens, two slots."""
    runner = ChatRunner(plan_of(tiny / "chat.gguf"), Gate())
    yield runner
    runner.close()


@pytest.fixture
def load(tiny) -> Iterator[Callable[..., ChatRunner]]:
    """Load tiny models for one test."""
    opened = []

    def open_one(name: str, **more) -> ChatRunner:
        opened.append(ChatRunner(plan_of(tiny / name, **more), Gate()))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
