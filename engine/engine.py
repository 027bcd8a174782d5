"""Requests in, events or vectors out: one short method per verb; read this first."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from engine.answering import Task, answer
from engine.config import EngineSettings
from engine.encoding import chat_prompt, check_tokens, encode_text, generate_prompt
from engine.errors import (
    CapabilityError,
    LibraryError,
    LoadError,
    ModelRequiredError,
    RequestError,
)
from engine.library.reach import Reach
from engine.library.store import Library
from engine.library.template.go.facts import go_facts
from engine.loading import Loader
from engine.options import merge_options
from engine.rendering import Script, images_of, script_of, thinking_of
from engine.replies.grammars import thinking_first, tool_grammar
from engine.replies.rules import ReplyRules, check_tools, reply_rules
from engine.runtime.grammar import grammar_of
from engine.types import (
    ChatRequest,
    Embedded,
    Event,
    Final,
    GenerateRequest,
    Json,
    ModelEntry,
    Options,
    Priority,
    Rendered,
    Reranked,
    RunningModel,
    Think,
    Vectors,
)
from engine.virtual import VirtualModels, answered, as_chat, installed, virtual_of

if TYPE_CHECKING:
    from engine.runtime.llama import Model

_log = logging.getLogger(__name__)

_TAIL = 200  # characters of a prompt that may hold an open tag


class Engine:
    """Models on disk and in memory; thread-safe, synchronous."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.library = Library(
            settings.models_dir,
            settings.extra_models_dirs,
            is_pruning=settings.is_pruning,
            key_path=settings.key_path,
            reach=Reach(settings.registries, settings.is_inside_reachable),
        )
        self.virtual: VirtualModels | None = None
        self._loader = Loader(settings, self._find)
        self.meter = self._loader.meter

    # -- verbs that compute ---------------------------------------------------------------------

    def chat(self, request: ChatRequest) -> Iterator[Event]:
        """Answer a conversation; closing the iterator cancels the request.

        Raises:
            ModelNotFoundError, CapabilityError, PromptTooLongError, OptionError, LoadError: before
                the first event. RuntimeFailedError also later.
        """
        found = virtual_of(self, request.model)
        return answered(found, request) if found is not None else self._chat(request)

    def generate(self, request: GenerateRequest) -> Iterator[Event]:
        """Continue a prompt; closing the iterator cancels the request.

        Raises:
            as `chat`.
        """
        found = virtual_of(self, request.model)
        return self._generate(request) if found is None else answered(found, as_chat(request))

    def _chat(self, request: ChatRequest) -> Iterator[Event]:
        entry = self._find(request.model)
        if not request.messages and request.keep_alive_s == 0:
            yield self._unload_only(entry)
            return
        _need(entry, "completion", f'"{request.model}"', "chat")
        options = _options(entry, request.options)
        if not request.messages:
            yield self._load_only(entry, options, request.keep_alive_s)
            return
        check_tools(request.tools)
        began_ns = time.monotonic_ns()
        with self._loader.chat(entry, options, request.keep_alive_s) as runner:
            load_ns = time.monotonic_ns() - began_ns
            script = self._script(entry, runner.model)
            written = chat_prompt(entry, request, script, runner)
            tools = () if request.tool_choice.mode == "none" else request.tools
            rules = _rules(entry, script, tools, request.think, written.text)
            grammar = _constraint(request, rules)
            task = Task(
                options,
                rules,
                tool_grammar(rules, tools, request.tool_choice) or grammar,
                request.is_shifting,
                request.n_top_logprobs,
                load_ns,
                began_ns,
            )
            for event in answer(runner, written.prompt, task):
                if isinstance(event, Final):
                    self.meter.answered(entry.name, event)
                if isinstance(event, Final):
                    yield replace(event, context=())
                else:
                    yield event

    def _generate(self, request: GenerateRequest) -> Iterator[Event]:
        entry = self._find(request.model)
        is_empty = not request.prompt and not request.images
        if is_empty and request.keep_alive_s == 0:
            yield self._unload_only(entry)
            return
        _need(entry, "completion", f'"{request.model}"', "generate")
        _check_raw(request)
        options = _options(entry, request.options)
        if is_empty and not request.suffix:
            yield self._load_only(entry, options, request.keep_alive_s)
            return
        began_ns = time.monotonic_ns()
        with self._loader.chat(entry, options, request.keep_alive_s) as runner:
            load_ns = time.monotonic_ns() - began_ns
            script = self._script(entry, runner.model, request.template)
            written = generate_prompt(entry, request, script, runner)
            rules = _rules(entry, script, (), request.think, written.text)
            task = Task(
                options,
                rules,
                _constraint(request, rules),
                request.is_shifting,
                request.n_top_logprobs,
                load_ns,
                began_ns,
            )
            for event in answer(runner, written.prompt, task):
                if isinstance(event, Final):
                    self.meter.answered(entry.name, event)
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
        with self._loader.embedding(entry, _options(entry, options), keep_alive_s) as runner:
            load_ns = time.monotonic_ns() - began_ns
            tokens = [encode_text(runner, text, is_truncating=is_truncating) for text in texts]
            vectors = runner.embed(tokens, priority)
        vectors = _cut(vectors, n_dimensions)
        n_tokens = sum(len(one) for one in tokens)
        return Embedded(vectors, n_tokens, time.monotonic_ns() - began_ns, load_ns)

    def rerank(
        self,
        model: str,
        query: str,
        documents: Sequence[str],
        *,
        options: Mapping[str, object] | None = None,
        keep_alive_s: float | None = None,
        priority: Priority = Priority.QUERY,
    ) -> Reranked:
        """Score how well each document answers the query; documents too long are cut.

        Raises:
            CapabilityError: the model is no reranker.
            RequestError: the query alone does not fit.
        """
        from engine.runtime.reranker import encode_pair

        began_ns = time.monotonic_ns()
        entry = self._find(model)
        if not self._is_reranker(entry):
            raise CapabilityError(f'"{model}"', "rerank")
        with self._loader.reranker(entry, _options(entry, options), keep_alive_s) as runner:
            load_ns = time.monotonic_ns() - began_ns
            pairs = [encode_pair(runner.model, query, one, runner.n_ctx) for one in documents]
            scores = runner.score(pairs, priority).tolist() if pairs else []
        n_tokens = sum(len(pair) for pair in pairs)
        spent_ns = time.monotonic_ns() - began_ns
        return Reranked(tuple(_logistic(score) for score in scores), n_tokens, spent_ns, load_ns)

    # -- verbs that only read -------------------------------------------------------------------

    def tokenize(self, model: str, text: str, *, add_special: bool = False) -> list[int]:
        """Turn text into the model's tokens."""
        with self._vocabulary(self._find(model)) as native:
            return native.tokenize(text, add_special=add_special, parse_special=add_special)

    def detokenize(self, model: str, tokens: Sequence[int]) -> str:
        """Turn tokens back into text, special ones included.

        Raises:
            RequestError: a number that is no token of the model.
        """
        with self._vocabulary(self._find(model)) as native:
            check_tokens(tokens, native)
            return native.detokenize(tokens)

    def count_tokens(self, model: str, texts: Sequence[str]) -> list[int]:
        """Count the model's tokens of each text, without special ones."""
        with self._vocabulary(self._find(model)) as native:
            return [
                len(native.tokenize(text, add_special=False, parse_special=False)) for text in texts
            ]

    def count_chat_tokens(self, request: ChatRequest) -> int:
        """Count the tokens of a conversation as its prompt has them."""
        return self.render(request).n_tokens

    def render(self, request: ChatRequest | GenerateRequest) -> Rendered:
        """Write the prompt of a request without computing anything.

        Raises:
            as `chat`.
        """
        entry = self._find(request.model)
        is_chat = isinstance(request, ChatRequest)
        _need(entry, "completion", f'"{request.model}"', "chat" if is_chat else "generate")
        with self._loader.chat(entry, _options(entry, request.options)) as runner:
            if isinstance(request, GenerateRequest):
                _check_raw(request)
                script = self._script(entry, runner.model, request.template)
                written = generate_prompt(entry, request, script, runner)
                return Rendered(written.text, len(request.images), len(written))
            check_tools(request.tools)
            written = chat_prompt(entry, request, self._script(entry, runner.model), runner)
            return Rendered(written.text, len(images_of(request.messages)), len(written))

    def context_length(self, model: str) -> int:
        """Tell the tokens per request that the model will really have."""
        with self._any(self._find(model)) as (_, n_ctx):
            return n_ctx

    def tidy(self) -> None:
        """Clean up what earlier processes left behind; a read-only folder stays as it is."""
        try:
            self.library.tidy()
        except LibraryError as error:
            _log.warning("models_not_tidied reason=%s", error)

    def running(self) -> list[RunningModel]:
        """List the models in memory."""
        return self._loader.running()

    def room_without_models(self) -> Mapping[str, int]:
        """Tell how many bytes of each device a model could take if no other were in memory."""
        return self._loader.room_without_models()

    def sickness(self) -> str:
        """Tell what is wrong with the threads that compute; empty if nothing."""
        return self._loader.sickness()

    def unload(self, model: str) -> None:
        """Take a model out of memory once nobody uses it."""
        self._loader.expire(self._find(model))

    def close(self) -> None:
        """Unload everything and end the transfers that still run."""
        self._loader.close()
        self.library.close()

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
        entry = installed(self, model)
        if not entry.is_readable:
            self.library.check(model)  # says which file is missing, cut short or changed
        return entry

    def _script(self, entry: ModelEntry, native: Model, template: str | None = None) -> Script:
        bos, eos = native.bos_eos()
        setting = self.settings.go_template
        return script_of(entry, bos=bos, eos=eos, template=template, go_setting=setting)

    def _unload_only(self, entry: ModelEntry) -> Final:
        self._loader.expire(entry)
        return Final("unload")

    def _load_only(self, entry: ModelEntry, options: Options, keep_alive_s: float | None) -> Final:
        began_ns = time.monotonic_ns()
        with self._loader.chat(entry, options, keep_alive_s):
            pass
        spent_ns = time.monotonic_ns() - began_ns
        return Final("load", total_ns=spent_ns, load_ns=spent_ns)

    def _is_reranker(self, entry: ModelEntry) -> bool:
        try:
            return self._loader.facts(entry).is_reranker
        except LoadError:
            return False  # said better when the model is loaded

    @contextmanager
    def _vocabulary(self, entry: ModelEntry) -> Iterator[Model]:
        """Hold a model's vocabulary, of a copy in memory if there is one."""
        with self._loader.borrowed(entry) as native:
            if native is not None:
                yield native
                return
        with self._any(entry) as (native, _):
            yield native

    @contextmanager
    def _any(self, entry: ModelEntry) -> Iterator[tuple[Model, int]]:
        """Hold a model for its vocabulary, loaded as it is used otherwise."""
        options = _options(entry, None)
        if self._is_reranker(entry):
            with self._loader.reranker(entry, options) as reranker:
                yield reranker.model, reranker.n_ctx
        elif "embedding" in entry.capabilities:
            with self._loader.embedding(entry, options) as embedder:
                yield embedder.model, embedder.n_ctx
        else:
            with self._loader.chat(entry, options) as runner:
                yield runner.model, runner.n_ctx


def _options(entry: ModelEntry, given: Mapping[str, object] | None) -> Options:
    return merge_options(merge_options(Options(), entry.params), given)


def _need(entry: ModelEntry, capability: str, shown: str, verb: str) -> None:
    if capability not in entry.capabilities:
        raise CapabilityError(shown, verb)


def _check_raw(request: GenerateRequest) -> None:
    if request.is_raw and (request.system or request.context or request.template):
        raise RequestError("raw mode does not support template, system, or context")


def _rules(
    entry: ModelEntry, script: Script, tools: Sequence[Json], think: Think, text: str
) -> ReplyRules:
    choice = script.choice
    return reply_rules(
        choice.kind,
        choice.text,
        family=entry.details.family,
        tools=tools,
        think=thinking_of(entry, think),
        go_facts=go_facts(choice.text) if choice.kind == "go" else None,
        prompt_tail=text[-_TAIL:],
    )


def _constraint(request: ChatRequest | GenerateRequest, rules: ReplyRules) -> str | None:
    """Give the grammar that the answer, not the thought before it, keeps to."""
    grammar = request.grammar or grammar_of(request.format)
    return thinking_first(rules, grammar) if grammar else None


def _cut(vectors: Vectors, n_dimensions: int) -> Vectors:
    if not 0 < n_dimensions < vectors.shape[1]:
        return vectors
    from engine.runtime.encoder import normalise  # loads the native package

    return normalise(vectors[:, :n_dimensions])


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, score))))
