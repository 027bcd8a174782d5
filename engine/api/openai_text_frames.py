"""Events of completion runs in, /v1/completions' objects and events out; pure but for the clock."""

from __future__ import annotations

from collections.abc import Sequence

from engine.api.frames import compact
from engine.api.openai_frames import (
    Numbered,
    by_choice,
    chat_object,
    events_bytes,
    head,
    reason_of,
    usage,
)
from engine.api.pieces import finite, join_pieces, split_pieces
from engine.types import Event, Final, Json, Piece, TokenLogprob

_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class CompletionFrames:
    """Writes the answers of /v1/completions for one request."""

    def __init__(
        self, model: str, echoes: Sequence[str], *, has_usage: bool = False, n_choices: int = 1
    ) -> None:
        """Prepare.

        Args:
            echoes: what every choice's text begins with; the prompt, if it is wanted back.
            n_choices: how many choices in a row answer the same prompt.
        """
        self._head = head("cmpl", model)
        self._has_usage, self._n_choices = has_usage, n_choices
        self._echoes = list(echoes)  # emptied once they are written
        self._offsets = [len(echo) for echo in echoes]  # characters written before the next token
        self._finals: dict[int, Final] = {}

    def events(self, batch: Sequence[Numbered]) -> bytes:
        """Write waiting events: text, then (at the end) reasons and usage."""
        frames: list[str] = []
        for index, events in by_choice(batch).items():
            piece, final = _joined(events)
            choice = self._choice(index, piece)
            if choice["text"] or piece.logprobs:
                frames.append(self._chunk(choice))
            if final is not None:
                self._finals[index] = final
                frames.append(self._chunk(_choice(index, "", reason_of(final))))
        if frames and self._has_usage and len(self._finals) == len(self._offsets):
            counted = chat_object(self._head, "text_completion", [])
            frames.append(compact(counted | {"usage": usage(self._finals, self._n_choices)}))
        return events_bytes(frames)

    def whole(self, runs: Sequence[Sequence[Event]]) -> Json:
        """Merge the events of every run into one completion."""
        choices: list[Json] = []
        for index, events in enumerate(runs):
            piece, found = _joined(events)
            final = self._finals[index] = found or Final("stop")
            choices.append(self._choice(index, piece) | {"finish_reason": reason_of(final)})
        completion = chat_object(self._head, "text_completion", choices)
        return completion | {"usage": usage(self._finals, self._n_choices)}

    def _choice(self, index: int, piece: Piece) -> Json:
        echo, self._echoes[index] = self._echoes[index], ""
        choice = _choice(index, echo + piece.text, None)
        if piece.logprobs:
            choice["logprobs"] = legacy_logprobs(piece.logprobs, self._offsets[index])
            self._offsets[index] += sum(len(one.token) for one in piece.logprobs)
        return choice

    def _chunk(self, choice: Json) -> str:
        chunk = chat_object(self._head, "text_completion", [choice])
        return compact(chunk | {"usage": _NO_USAGE} if self._has_usage else chunk)


def legacy_logprobs(logprobs: Sequence[TokenLogprob], offset: int) -> Json:
    """Write logprobs as OpenAI's older API does: lists side by side.

    Args:
        offset: characters of the text before the first token.
    """
    offsets: list[int] = []
    for one in logprobs:
        offsets.append(offset)
        offset += len(one.token)
    return {
        "tokens": [one.token for one in logprobs],
        "token_logprobs": [finite(one.logprob) for one in logprobs],
        "top_logprobs": [
            {top.token: finite(top.logprob) for top in one.top} or None for one in logprobs
        ],
        "text_offset": offsets,
    }


def _joined(events: Sequence[Event]) -> tuple[Piece, Final | None]:
    pieces, final = split_pieces(events)
    return join_pieces(pieces) if pieces else Piece(), final


def _choice(index: int, text: str, reason: str | None) -> Json:
    return {"text": text, "index": index, "finish_reason": reason}
