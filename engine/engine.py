"""Requests in, events or vectors out: one short method per verb; read this first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import Self, cast

from engine.config import EngineSettings
from engine.errors import (
    CapabilityError,
    GgufError,
    LoadError,
    ModelRequiredError,
    PromptTooLongError,
    RequestError,
)
from engine.library.gguf import read_header
from engine.library.store import Library
from engine.library.template.jinja import render_chat
from engine.options import LOAD_TIME, merge_options
from engine.prompts import fit, merge_system
from engine.runtime.gate import Gate
from engine.runtime.grammar import grammar_of
from engine.runtime.pool import Key, Pool, Runner
from engine.types import (
    ChatRequest,
    Embedded,
    Event,
    Final,
    GenerateRequest,
    Message,
    ModelEntry,
    Options,
    Priority,
    RunningModel,
    Vectors,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.runtime.probe import Prober
    from engine.runtime.runners import ChatRunner, EmbedRunner

_TIMES_CTX = 10  # an answer is at most so many contexts long (Ollama's limit)
DEFAULT_EMBED_CTX = 2048


class Engine:
    """Models on disk and in memory; thread-safe, synchronous."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.library = Library(settings.models_dir)
        self._gate = Gate()
        self._pool = Pool(settings.max_loaded_models)
        self._known_prober: Prober | None = None

    # -- verbs that compute ---------------------------------------------------------------------

    def chat(self, request: ChatRequest) -> Iterator[Event]:
        """Answer a conversation; closing the iterator cancels the request.

        Raises:
            ModelNotFoundError, CapabilityError, PromptTooLongError, OptionError, LoadError: before
                the first event. RuntimeFailedError also later.
        """
        entry = self._find(request.model)
        if not request.messages and request.keep_alive_s == 0:
            yield self._unload_only(entry)
            return
        if "completion" not in entry.capabilities:
            raise CapabilityError(f'"{request.model}"', "chat")
        keep_alive_s = self._keep_alive(request.keep_alive_s)
        if not request.messages:
            yield self._load_only(entry, request.options, keep_alive_s)
            return
        options = merge_options(merge_options(Options(), entry.params), request.options)
        grammar = request.grammar or grammar_of(request.format)
        messages = merge_system(request.messages, entry.system, entry.messages)
        began_ns = time.monotonic_ns()
        with self._use_chat(entry, options, keep_alive_s) as held:
            runner = cast("ChatRunner", held)
            load_ns = time.monotonic_ns() - began_ns
            tokens = fit(
                messages,
                lambda kept: self._encode_chat(runner, kept),
                runner.n_ctx,
                is_truncating=request.is_truncating,
            )
            yield from self._generate(runner, tokens, options, grammar, load_ns)

    def generate(self, request: GenerateRequest) -> Iterator[Event]:
        """Continue a prompt; closing the iterator cancels the request.

        Raises:
            as `chat`.
        """
        entry = self._find(request.model)
        if not request.prompt and request.keep_alive_s == 0:
            yield self._unload_only(entry)
            return
        if "completion" not in entry.capabilities:
            raise CapabilityError(f'"{request.model}"', "generate")
        if request.is_raw and (request.system or request.context):
            raise RequestError("raw mode does not support template, system, or context")
        keep_alive_s = self._keep_alive(request.keep_alive_s)
        if not request.prompt:
            yield self._load_only(entry, request.options, keep_alive_s)
            return
        options = merge_options(merge_options(Options(), entry.params), request.options)
        grammar = request.grammar or grammar_of(request.format)
        began_ns = time.monotonic_ns()
        with self._use_chat(entry, options, keep_alive_s) as held:
            runner = cast("ChatRunner", held)
            load_ns = time.monotonic_ns() - began_ns
            tokens = self._encode_prompt(runner, entry, request)
            if len(tokens) >= runner.n_ctx:
                raise PromptTooLongError(len(tokens), runner.n_ctx - 1)
            for event in self._generate(runner, tokens, options, grammar, load_ns):
                if isinstance(event, Final) and request.is_raw:
                    yield replace(event, context=())
                else:
                    yield event

    def embed(  # noqa: PLR0913 - what a client may say of one call
        self,
        model: str,
        texts: Sequence[str],
        *,
        is_truncating: bool = True,
        n_dimensions: int = 0,
        options: Mapping[str, object] | None = None,
        keep_alive_s: float | None = None,
        priority: Priority = Priority.QUERY,
    ) -> Embedded:
        """Turn texts into vectors of length 1, in order.

        Args:
            is_truncating: cut texts that are too long at their end; else they are refused.
            n_dimensions: keep so many dimensions and normalise again; 0 keeps all.
        Raises:
            RequestError: a text is too long or gives no finite vector.
        """
        began_ns = time.monotonic_ns()
        entry = self._find(model)
        merged = merge_options(merge_options(Options(), entry.params), options)
        with self._use_embedding(entry, merged, self._keep_alive(keep_alive_s)) as held:
            runner = cast("EmbedRunner", held)
            load_ns = time.monotonic_ns() - began_ns
            tokens = [self._encode_text(runner, text, is_truncating) for text in texts]
            vectors = runner.embed(tokens, priority)
        vectors = _cut(vectors, n_dimensions)
        n_tokens = sum(len(one) for one in tokens)
        return Embedded(vectors, n_tokens, time.monotonic_ns() - began_ns, load_ns)

    def tokenize(self, model: str, text: str) -> list[int]:
        """Turn text into the model's tokens, without special ones."""
        return self._tokenize_all(model, [text])[0]

    def count_tokens(self, model: str, texts: Sequence[str]) -> list[int]:
        """Count the model's tokens of each text, without special ones."""
        return [len(tokens) for tokens in self._tokenize_all(model, texts)]

    def context_length(self, model: str) -> int:
        """Tell the tokens per request that the model will really have."""
        entry = self._find(model)
        with self._use_any(entry) as runner:
            return runner.n_ctx

    def running(self) -> list[RunningModel]:
        """List the models in memory."""
        return self._pool.running()

    def unload(self, model: str) -> None:
        """Take a model out of memory once nobody uses it."""
        self._pool.expire(self._find(model).model_digest)

    def close(self) -> None:
        """Unload everything."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    # -- how ------------------------------------------------------------------------------------

    def _find(self, model: str) -> ModelEntry:
        if not model:
            raise ModelRequiredError
        return self.library.find(model)

    def _keep_alive(self, asked_s: float | None) -> float:
        return self.settings.keep_alive_s if asked_s is None else asked_s

    def _unload_only(self, entry: ModelEntry) -> Final:
        self._pool.expire(entry.model_digest)
        return Final("unload")

    def _load_only(
        self, entry: ModelEntry, given: Mapping[str, object] | None, keep_alive_s: float
    ) -> Final:
        began_ns = time.monotonic_ns()
        options = merge_options(merge_options(Options(), entry.params), given)
        with self._use_chat(entry, options, keep_alive_s):
            pass
        spent_ns = time.monotonic_ns() - began_ns
        return Final("load", total_ns=spent_ns, load_ns=spent_ns)

    def _generate(
        self,
        runner: ChatRunner,
        tokens: list[int],
        options: Options,
        grammar: str | None,
        load_ns: int,
    ) -> Iterator[Event]:
        from engine.runtime.llama import Sampler
        from engine.runtime.stream import TextStream
        from engine.runtime.worker import Generation

        # llama.cpp itself takes -1 for off, and reserves memory for whatever is asked.
        n_back = options.repeat_last_n if options.repeat_last_n >= 0 else runner.n_ctx
        n_back = min(n_back, runner.n_ctx)
        options = replace(options, repeat_last_n=n_back)
        sampler = Sampler(runner.model, options, grammar=grammar)
        if n_back:
            sampler.accept_prompt(tokens[-n_back:])
        cap = _TIMES_CTX * runner.n_ctx
        wanted = options.num_predict if 0 <= options.num_predict <= cap else cap
        work = Generation(
            prompt=tokens,
            options=options,
            sampler=sampler,
            text=TextStream(options.stop),
            n_limit=max(1, wanted),
        )
        for event in runner.worker.stream(work):
            if isinstance(event, Final):
                yield replace(event, load_ns=load_ns, total_ns=event.total_ns + load_ns)
            else:
                yield event

    def _encode_chat(self, runner: ChatRunner, messages: Sequence[Message]) -> list[int]:
        template = runner.model.chat_template()
        if template is None:
            text = "\n\n".join(one.content for one in messages)
            return runner.model.tokenize(text, add_special=True, parse_special=True)
        bos, eos = runner.model.bos_eos()
        text = render_chat(template, messages, bos=bos, eos=eos)
        # Templates write BOS themselves; the tokenizer must not add a second one.
        adds = not (bos and text.startswith(bos))
        return runner.model.tokenize(text, add_special=adds, parse_special=True)

    def _encode_prompt(
        self, runner: ChatRunner, entry: ModelEntry, request: GenerateRequest
    ) -> list[int]:
        if request.is_raw:
            return runner.model.tokenize(request.prompt, add_special=True, parse_special=True)
        own = request.system if request.system is not None else entry.system
        examples = () if request.context else entry.messages
        messages = merge_system((Message("user", request.prompt),), own, examples)
        strange = [one for one in request.context if not 0 <= one < runner.model.n_vocab]
        if strange:
            raise RequestError(
                f"context holds {strange[0]}, which is no token of this model "
                f"(0 to {runner.model.n_vocab - 1}); send the context of an earlier answer back"
            )
        return [*request.context, *self._encode_chat(runner, messages)]

    def _encode_text(self, runner: EmbedRunner, text: str, is_truncating: bool) -> list[int]:
        tokens = runner.model.tokenize(text, add_special=True, parse_special=False)
        if not tokens:
            raise RequestError("the input is empty: this model makes no token of it")
        if len(tokens) <= runner.n_ctx:
            return tokens
        if not is_truncating:
            raise RequestError("the input length exceeds the context length")
        bare = runner.model.tokenize(text, add_special=False, parse_special=False)
        n_special = len(tokens) - len(bare)
        if runner.n_ctx <= n_special:
            raise RequestError("input after truncation exceeds maximum context length")
        n_head = next((at for at, token in enumerate(tokens) if token == bare[0]), 0)
        tail = tokens[n_head + len(bare) :]
        return [*tokens[:n_head], *bare[: runner.n_ctx - n_special], *tail]

    def _tokenize_all(self, model: str, texts: Sequence[str]) -> list[list[int]]:
        with self._use_any(self._find(model)) as held:
            runner = cast("ChatRunner | EmbedRunner", held)
            return [
                runner.model.tokenize(text, add_special=False, parse_special=False)
                for text in texts
            ]

    # -- what is loaded how ---------------------------------------------------------------------

    def _use_any(self, entry: ModelEntry) -> AbstractContextManager[Runner]:
        options = merge_options(Options(), entry.params)
        keep_alive_s = self.settings.keep_alive_s
        if "embedding" in entry.capabilities:
            return self._use_embedding(entry, options, keep_alive_s)
        return self._use_chat(entry, options, keep_alive_s)

    def _use_chat(
        self, entry: ModelEntry, options: Options, keep_alive_s: float
    ) -> AbstractContextManager[Runner]:
        return self._pool.use(
            _key(entry, "chat", options),
            entry,
            lambda: self._load_chat(entry, options),
            keep_alive_s,
        )

    def _use_embedding(
        self, entry: ModelEntry, options: Options, keep_alive_s: float
    ) -> AbstractContextManager[Runner]:
        return self._pool.use(
            _key(entry, "embedding", options),
            entry,
            lambda: self._load_embedding(entry, options),
            keep_alive_s,
        )

    def _load_chat(self, entry: ModelEntry, options: Options) -> Runner:
        from engine.runtime.runners import ChatRunner, LoadPlan, choose_ctx

        plan = LoadPlan(
            path=entry.model_path,
            options=options,
            n_ctx=choose_ctx(options.num_ctx, self.settings.n_ctx, self._trained_on(entry)),
            n_slots=self.settings.n_parallel,
            max_queue=self.settings.max_queue,
            has_extra_buffers=self._proven(entry, options, is_embedding=False),
        )
        return ChatRunner(plan, self._gate)

    def _load_embedding(self, entry: ModelEntry, options: Options) -> Runner:
        from engine.runtime.runners import EmbedRunner, LoadPlan, choose_ctx

        default = self.settings.n_ctx or DEFAULT_EMBED_CTX
        plan = LoadPlan(
            path=entry.model_path,
            options=options,
            n_ctx=choose_ctx(options.num_ctx, default, self._trained_on(entry)),
            n_slots=1,
            max_queue=self.settings.max_queue,
            has_extra_buffers=self._proven(entry, options, is_embedding=True),
        )
        return EmbedRunner(plan, self._gate)

    def _trained_on(self, entry: ModelEntry) -> int:
        try:
            metadata = read_header(entry.model_path).metadata
        except GgufError as error:
            raise LoadError(
                f"{entry.name}: {entry.model_path.name}: {error}; pull or create the model again"
            ) from error
        length = metadata.get(f"{metadata.get('general.architecture')}.context_length", 0)
        return length if isinstance(length, int) else 0

    def _proven(self, entry: ModelEntry, options: Options, *, is_embedding: bool) -> bool:
        from engine.runtime.llama import build_features
        from engine.runtime.probe import Prober

        if self._known_prober is None:
            features = build_features()
            build = f"{features['llama-cpp-python']} {features['system_info']}"
            self._known_prober = Prober(self.settings.models_dir / "probed.json", build)
        verdict = self._known_prober.verdict(
            entry.model_path,
            entry.model_digest,
            is_embedding=is_embedding,
            num_gpu=options.num_gpu,
        )
        return verdict.has_extra_buffers


def _key(entry: ModelEntry, kind: str, options: Options) -> Key:
    load_options = tuple(getattr(options, name) for name in LOAD_TIME)
    return Key(entry.model_digest, kind, load_options)


def _cut(vectors: Vectors, n_dimensions: int) -> Vectors:
    if not 0 < n_dimensions < vectors.shape[1]:
        return vectors
    from engine.runtime.encoder import normalise  # loads the native package

    return normalise(vectors[:, :n_dimensions])
