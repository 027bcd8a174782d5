"""What a server wants its users to know: an English sentence that can be worded elsewhere too."""

from __future__ import annotations

from collections.abc import Mapping


class Notice(str):
    """A sentence with the code and the values by which other languages word it."""

    code: str
    values: Mapping[str, str]

    def __new__(cls, text: str, code: str, **values: object) -> Notice:
        """Make one.

        Args:
            code: stable; names what is told.
            values: what stands in the sentence.
        """
        made = super().__new__(cls, text)
        made.code = code
        made.values = {name: str(value) for name, value in values.items()}
        return made
