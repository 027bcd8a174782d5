"""What can go wrong with conversations.

ConversationError
├── ConversationNotFoundError    no such conversation
├── ConversationFullError        it holds as many messages as one may, or there are too many
├── TooLongError                 a text, title or trace is over a limit; says which
├── TitleError                   nothing is left of a title
└── NotAnExportError             what should be imported is none of our exports
"""

from __future__ import annotations


class ConversationError(Exception):
    """Anything that the store of conversations refuses."""


class ConversationNotFoundError(ConversationError):
    """No such conversation."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"conversation {conversation_id[:80]!r} not found")
        self.conversation_id = conversation_id


class ConversationFullError(ConversationError):
    """No room for another message, or for another conversation."""


class TooLongError(ConversationError):
    """A text is over a limit."""

    def __init__(self, what: str, n: int, limit: int, unit: str = "characters") -> None:
        super().__init__(f"the {what} has {n:,} {unit}, the limit is {limit:,}")


class TitleError(ConversationError):
    """A title without a visible character."""

    def __init__(self) -> None:
        super().__init__("the title is empty: give it a visible character")


class NotAnExportError(ConversationError):
    """The text is not a conversation that this program exported."""
