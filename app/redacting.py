"""A text in, the same without secrets and without control characters out; pure."""

from __future__ import annotations

import re

HIDDEN = "***"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # keys and sessions of ours: the id may be shown, the secret never
    (re.compile(r"\b(q[ks]_(?:[0-9A-Za-z]{8}_)?)[0-9A-Za-z_-]+"), rf"\1{HIDDEN}"),
    # headers, as a header line, in a dict, or in a list of pairs of bytes
    (
        re.compile(
            r"""(?ix) \b(proxy-authorization|authorization|set-cookie|cookie|x-api-key)\b
            (["']? \s* [:=,] \s*) (b?"[^"\n]*" | b?'[^'\n]*' | [^\n,}\])]+)"""
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b(basic)\s+[A-Za-z0-9+/=]{16,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^/\s@'\"<>]+@"), rf"\1{HIDDEN}@"),
    (
        re.compile(
            r"""(?ix) \b(api[_-]?key|access[_-]?token|token|password|passwd|secret|quire_session)
            (["']? \s* [=:] \s* ["']?) [^\s"',;&})]{4,}"""
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"\b((?:sk|hf)[-_])[A-Za-z0-9_-]{12,}"), rf"\1{HIDDEN}"),
)
# Also what turns the direction of writing: a line must look like what it is.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def redacted(text: str) -> str:
    """Take keys, sessions, credentials of headers and of URLs out of a text."""
    for pattern, shown in _RULES:
        text = pattern.sub(shown, text)
    return text


def one_line(text: str, limit: int = 2000) -> str:
    """Write control characters as escapes, so that no value begins a line of its own; bound it."""
    text = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
