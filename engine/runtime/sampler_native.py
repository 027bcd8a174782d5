"""One request's options in, its next token out: llama.cpp's chain of samplers, maybe a grammar."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence

import llama_cpp as native
import numpy as np
from numpy.typing import NDArray

from engine.errors import FormatError, OptionError, RuntimeFailedError
from engine.runtime.grammar import check_size
from engine.runtime.llama import Context, Model
from engine.runtime.log_native import LOG
from engine.runtime.sampling import tamed
from engine.types import Options

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
_FORBIDDEN = np.float32(-np.inf)
_NEVER = -1e9  # added to a score: the token does not come; infinities would turn into NaN later
_MIROSTAT_CANDIDATES = 100  # llama.cpp's own constant
_ALMOST_ZERO = 1e-30
# Of this thread's own computing, for one token: usual grammars take a thousandth. Ways that double
# with every character take four times as long for each, so it is over soon.
_MAX_GRAMMAR_S = 0.1
_MAX_GRAMMAR_ALL_S = 0.5  # the same for all tokens of the vocabulary
# What honest ways, such as a list of words, may take more: 3 ns each and token here, and no end of
# time even on slow machines.
_WAY_S, _MAX_WAYS_S = 15e-9, 3.0
_LAZY_ROOT = "root-after-thought"


class Sampler:
    """Draw tokens as one request wants them: penalties, filters, temperature, maybe a grammar."""

    def __init__(
        self,
        model: Model,
        options: Options,
        *,
        n_ctx: int = 0,
        grammar: str | None = None,
        grammar_after: str | None = None,
    ) -> None:
        """Build the chain.

        Args:
            n_ctx: tokens of a sequence: what "the whole context" means in the options.
            grammar: GBNF with a rule named root.
            grammar_after: the grammar binds only what follows this text, and lets white space
                come first; until then the model writes freely.
        Raises:
            FormatError: the grammar cannot be read.
            OptionError: logit_bias names what is no token.
        """
        self._model = model
        self._options = tamed(options, n_ctx)
        self._chain: object | None = None
        self._grammar: object | None = None
        self._awaited = grammar_after if grammar is not None and grammar_after else ""
        self._tail = ""  # end of what was written while the awaited text has not come
        biases = _biases(model, self._options)
        self._grammar_all_s = _MAX_GRAMMAR_ALL_S  # of this grammar
        if grammar is not None:
            ways_s = check_size(grammar) * model.n_vocab * _WAY_S
            self._grammar_all_s += min(_MAX_WAYS_S, ways_s)
            self._grammar = _open_grammar(model, grammar, is_lazy=bool(self._awaited))
        self._chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        for link in _links(self._options, model, biases):
            native.llama_sampler_chain_add(self._chain, link)
        # Room for all candidates, needed only under a grammar.
        self._candidates = np.zeros(model.n_vocab if self._grammar else 0, dtype=_CANDIDATE)

    def sample(self, context: Context, index: int) -> int:
        """Draw the next token from one batch row and remember it for penalties and grammar.

        Raises:
            RuntimeFailedError: the grammar allows no token.
        """
        if self._grammar is None:
            return int(native.llama_sampler_sample(self._chain, context.pointer, index))
        logits = context.logits(index)
        token = self._draw_freely(logits) if self._awaited else self._draw_bound(logits)
        native.llama_sampler_accept(self._chain, token)
        return token

    def accept_prompt(self, tokens: Sequence[int]) -> None:
        """Let the penalties know the prompt's last tokens; placeholders (negative) are left out."""
        options = self._options
        n_back = max(
            options.repeat_last_n * _is_penalizing(options),
            options.dry_penalty_last_n * _is_dry(options),
        )
        if n_back <= 0:
            return
        for token in [one for one in tokens[-n_back:] if one >= 0]:
            native.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Free the chain."""
        if self._chain:
            native.llama_sampler_free(self._chain)
            self._chain = None
        if self._grammar:
            native.llama_sampler_free(self._grammar)
            self._grammar = None

    def _draw_bound(self, logits: NDArray[np.float32]) -> int:
        """Draw what the grammar allows, and let the grammar go on.

        The grammar is asked about all tokens only where it forbids the one that was drawn first:
        with 49,152 tokens that costs 4 ms, one token nothing.
        Source: llama.cpp, common/sampling.cpp, `common_sampler_sample`.
        """
        self._fill(logits)
        token = self._pick(self._candidates)
        if not self._allows(token):
            self._fill(logits)
            self._follow(self._candidates, self._grammar_all_s)
            # Only what is allowed stays: a filter that meets a probability of 0 computes NaN, and
            # llama.cpp ends the process when a grammar is given a token that it forbids.
            allowed = self._possible()
            if not allowed.size:
                raise RuntimeFailedError("the grammar allows no further token")
            token = self._pick(allowed)
        if not self._model.is_end(token):
            # A grammar that is complete has nothing to accept after the end.
            began_s = time.thread_time()
            native.llama_sampler_accept(self._grammar, token)
            _check_time(time.thread_time() - began_s, _MAX_GRAMMAR_S)
        return token

    def _draw_freely(self, logits: NDArray[np.float32]) -> int:
        """Draw any token; one that completes the awaited text wakes the grammar.

        What such a token holds beyond the awaited text must begin what the grammar describes;
        where it does not, another token is drawn. The end does not come before the text.
        """
        logits = logits.copy()
        logits[list(self._model.end_tokens())] = _FORBIDDEN
        while True:
            self._fill(logits)
            possible = self._possible()
            if not possible.size:
                raise RuntimeFailedError("the model leaves no token to choose")
            token = self._pick(possible)
            text = self._tail + self._model.special_text(token)
            at = text.find(self._awaited)
            if at < 0:
                self._tail = text[-len(self._awaited) :]
                return token
            if self._accept_text(text[at + len(self._awaited) :]):
                self._awaited = self._tail = ""
                return token
            logits[token] = _FORBIDDEN

    def _allows(self, token: int) -> bool:
        candidate = np.array([(token, 0.0, 0.0)], dtype=_CANDIDATE)
        self._follow(candidate, _MAX_GRAMMAR_S)
        return bool(np.isfinite(candidate["logit"][0]))

    def _follow(self, candidates: NDArray[np.void], limit_s: float) -> None:
        """Let the grammar forbid what it does not allow.

        Raises:
            FormatError: it took too long; the next token would take even longer.
        """
        began_s = time.thread_time()
        _apply(self._grammar, candidates)
        _check_time(time.thread_time() - began_s, limit_s)

    def _accept_text(self, text: str) -> bool:
        """Let the grammar take a text at its beginning; False, and no change, if it cannot."""
        tokens = self._model.tokenize(text, add_special=False, parse_special=False)
        trial = native.llama_sampler_clone(self._grammar)
        for token in tokens:
            candidate = np.array([(token, 0.0, 0.0)], dtype=_CANDIDATE)
            _apply(trial, candidate)
            if self._model.is_end(token) or not np.isfinite(candidate["logit"][0]):
                native.llama_sampler_free(trial)
                return False
            native.llama_sampler_accept(trial, token)
        native.llama_sampler_free(self._grammar)
        self._grammar = trial
        return True

    def _fill(self, logits: NDArray[np.float32]) -> None:
        self._candidates["id"] = np.arange(self._candidates.size)
        self._candidates["logit"] = logits

    def _possible(self) -> NDArray[np.void]:
        return self._candidates[np.isfinite(self._candidates["logit"])]

    def _pick(self, candidates: NDArray[np.void]) -> int:
        array = _apply(self._chain, candidates)
        if not 0 <= array.selected < array.size:
            raise RuntimeFailedError("the sampling options leave no token to choose")
        return int(array.data[array.selected].id)


def _check_time(spent_s: float, limit_s: float) -> None:
    if spent_s > limit_s:
        raise FormatError(
            f"the grammar cannot be used: following all its ways took {spent_s:.1f} s for one "
            "token, and more for each further one; let every text match it in one way only"
        )


def _apply(sampler: object, candidates: NDArray[np.void]) -> native.llama_token_data_array:
    """Let a sampler change candidates in place; the result refers to them and must not outlive."""
    array = native.llama_token_data_array(
        data=candidates.ctypes.data_as(native.llama_token_data_p),
        size=candidates.size,
        selected=-1,
        sorted=False,
    )
    native.llama_sampler_apply(sampler, ctypes.byref(array))
    return array


def _open_grammar(model: Model, grammar: str, *, is_lazy: bool) -> object:
    root = "root"
    if is_lazy:
        root = _LAZY_ROOT
        grammar = f"{grammar}\n{_LAZY_ROOT} ::= [ \\t\\r\\n]{{0,8}} root\n"
    LOG.tail()
    found = native.llama_sampler_init_grammar(
        model.vocab, grammar.encode("utf-8", "replace"), root.encode()
    )
    if not found:
        raise FormatError(
            f"the grammar cannot be used: {LOG.tail() or 'no reason given'}; it needs a rule named "
            "root and no left recursion"
        )
    return found


def _biases(model: Model, options: Options) -> dict[int, float]:
    """Collect what is added to the scores of single tokens.

    A name of digits is a token's number, as OpenAI's API has it; another is text, and every token
    of it is meant, as llama.cpp's server has it.
    """
    found = dict.fromkeys(model.suppressed_tokens(), _NEVER)
    if options.ignore_eos:
        found |= dict.fromkeys(model.end_tokens(), _NEVER)
    for name, bias in options.logit_bias:
        for token in _named(model, name):
            if token >= model.n_vocab:
                raise OptionError(
                    f'option "logit_bias" names {token}, which is no token of this model '
                    f"(0 to {model.n_vocab - 1})"
                )
            found[token] = bias
    return found


def _named(model: Model, name: str) -> list[int]:
    if name.isascii() and name.isdigit():
        return [int(name)]
    tokens = model.tokenize(name, add_special=False, parse_special=True)
    # Some tokenizers put a space before every text; that one is not meant.
    is_added = len(tokens) > 1 and not name[0].isspace() and not model.piece(tokens[0]).strip()
    return tokens[1:] if is_added else tokens


def _links(options: Options, model: Model, biases: dict[int, float]) -> Iterator[object]:
    """List the samplers in llama.cpp's own order (common/sampling.cpp)."""
    if biases:
        pairs = (native.llama_logit_bias * len(biases))(*biases.items())
        yield native.llama_sampler_init_logit_bias(model.n_vocab, len(biases), pairs)
    if options.mirostat and options.temperature > 0:
        yield from _mirostat(options, model)
        return
    yield from _penalties(options, model)
    if options.temperature <= 0:
        yield native.llama_sampler_init_greedy()
        return
    yield from _filters(options)
    yield native.llama_sampler_init_temp_ext(
        options.temperature, options.dynatemp_range, options.dynatemp_exponent
    )
    if options.adaptive_target >= 0:
        yield native.llama_sampler_init_adaptive_p(
            options.adaptive_target, options.adaptive_decay, _seed(options)
        )
    else:
        yield native.llama_sampler_init_dist(_seed(options))


def _seed(options: Options) -> int:
    return 0xFFFFFFFF if options.seed < 0 else options.seed & 0xFFFFFFFF


def _mirostat(options: Options, model: Model) -> Iterator[object]:
    yield native.llama_sampler_init_temp(options.temperature)
    if options.mirostat == 1:
        yield native.llama_sampler_init_mirostat(
            model.n_vocab,
            _seed(options),
            options.mirostat_tau,
            options.mirostat_eta,
            _MIROSTAT_CANDIDATES,
        )
    else:
        yield native.llama_sampler_init_mirostat_v2(
            _seed(options), options.mirostat_tau, options.mirostat_eta
        )


def _is_penalizing(options: Options) -> bool:
    is_neutral = options.repeat_penalty == 1
    return not is_neutral or bool(options.presence_penalty or options.frequency_penalty)


def _is_dry(options: Options) -> bool:
    return bool(options.dry_multiplier) and options.dry_base >= 1


def _penalties(options: Options, model: Model) -> Iterator[object]:
    if _is_penalizing(options):
        yield native.llama_sampler_init_penalties(
            model.n_vocab,
            options.repeat_last_n,
            options.repeat_penalty,
            options.frequency_penalty,
            options.presence_penalty,
        )
    if _is_dry(options):
        breakers = [one.encode("utf-8", "replace") for one in options.dry_sequence_breakers]
        yield native.llama_sampler_init_dry(
            model.vocab,
            options.dry_multiplier,
            options.dry_base,
            options.dry_allowed_length,
            options.dry_penalty_last_n,
            (ctypes.c_char_p * len(breakers))(*breakers),
            len(breakers),
        )


def _filters(options: Options) -> Iterator[object]:
    kept = max(1, options.min_keep)
    if options.top_n_sigma > 0:
        yield native.llama_sampler_init_top_n_sigma(options.top_n_sigma)
    if options.top_k > 0:
        yield native.llama_sampler_init_top_k(options.top_k)
    if options.typical_p < 1:
        # A probability that underflows to 0 turns the entropy, and with it the choice, into NaN.
        yield native.llama_sampler_init_min_p(_ALMOST_ZERO, 1)
        yield native.llama_sampler_init_typical(options.typical_p, kept)
    if options.top_p < 1:
        yield native.llama_sampler_init_top_p(options.top_p, kept)
    if options.min_p > 0:
        yield native.llama_sampler_init_min_p(options.min_p, kept)
    if options.xtc_probability > 0:
        yield native.llama_sampler_init_xtc(
            options.xtc_probability, options.xtc_threshold, kept, _seed(options)
        )
