"""What the query pipeline is given: plain functions and the names of the models behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from secrets import token_bytes

from engine.types import Message
from ingest.types import Document, Hit


@dataclass(frozen=True, slots=True)
class Said:
    """What a chat model tells of its work when it has ended."""

    n_prompt: int  # tokens of the prompt, reused ones included
    n_reused: int
    n_generated: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that could not be stored."""

    path: str
    reason: str
    at: str  # ISO 8601, UTC


# (messages, n_predict, model) → text as it comes, at the end maybe what it took
Chat = Callable[[Sequence[Message], int, str], Iterator[str | Said]]
# the same with a GBNF grammar that the text keeps to
BoundChat = Callable[[Sequence[Message], int, str, str], Iterator[str | Said]]
Rerank = Callable[[str, Sequence[str]], Sequence[float]]  # (question, texts) → scores from 0 to 1


@dataclass(frozen=True, slots=True)
class Beats:
    """Everything that an answer needs from outside.

    The functions raise what their owners raise; none of it is caught here.
    """

    check_collection: Callable[[str], object]  # raises if unknown
    documents: Callable[[str], Sequence[Document]]  # all documents of a collection; used by filters
    # (collection, query, k, document ids), each by the embedding models that the collection has
    dense: Callable[[str, str, int, Sequence[str] | None], list[Hit]]
    lexical: Callable[[str, str, int, Sequence[str] | None], list[Hit]]
    text: Callable[[str], str]  # document id → loaded text
    count_tokens: Callable[[str, Sequence[str]], list[int]]  # (chat model, texts)
    context_length: Callable[[str], int]  # chat model → tokens that it will really have
    check_chat: Callable[[str], object]  # raises if a model is unknown or cannot chat
    embedding_model: Callable[[str], str]  # collection → the model whose cosines are its scores
    chat: Chat | None = None  # None: every answer is extractive
    bound_chat: BoundChat | None = None  # None: `chat` is asked, and may cite what is not there
    chat_model: str = ""
    rerank: Rerank | None = None
    reranker: str = ""
    rerank_share: Callable[[str], float] = lambda _: 0.5  # collection → the reranker's say, 0 to 1
    is_small: bool = False  # the configured chat model may not speak unless fully borne out
    is_small_too: Callable[[str], bool] = lambda _: False  # the same of a model asked for by name
    rewrite_with_model: bool = False  # the configured chat model is good enough to condense
    page_label: Callable[[str, int], str] = lambda _, __: ""  # (document id, page) → as printed
    # collection → confidence below which it refuses; None: the pipeline's own
    refusal_bar: Callable[[str], float | None] = lambda _: None
    is_stored: Callable[[str], bool] = lambda _: True  # document id → it has not been deleted
    collections: Callable[[], Sequence[str]] = tuple  # names of all
    failures: Callable[[str], Sequence[Failed]] = lambda _: ()  # collection → files not stored
    secret: bytes = field(default_factory=lambda: token_bytes(16), repr=False)  # see prompt.tag_of
