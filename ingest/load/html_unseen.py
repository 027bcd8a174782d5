"""A parsed page in, the same without what a reader would not see, and what that was, out."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.load.hidden import Hidden, smuggled

MAX_PIECES = 1000  # that are kept to tell of
_ZERO = r"0*\.?0+(?:px|pt|em|rem|%|cm|mm|in)?\s*(?:!|;|$)"
_STYLES = (  # how it is hidden → what its style says
    ("display:none", re.compile(r"display\s*:\s*none", re.IGNORECASE)),
    ("visibility:hidden", re.compile(r"visibility\s*:\s*(?:hidden|collapse)", re.IGNORECASE)),
    ("font-size:0", re.compile(rf"font-size\s*:\s*(?:{_ZERO}|0*1px)", re.IGNORECASE)),
    (
        "off the page",
        re.compile(r"(?:^|[;\s])(?:left|top|right|text-indent)\s*:\s*-\d{4,}", re.IGNORECASE),
    ),
)
_WHITE = r"(?:#fff(?:fff)?\b|white\b|rgba?\(\s*255\s*,\s*255\s*,\s*255\b)"
_WHITE_TEXT = re.compile(rf"(?:^|[;\s])color\s*:\s*{_WHITE}", re.IGNORECASE)
_GROUND = re.compile(r"background(?:-color|-image)?\s*:\s*([^;]+)", re.IGNORECASE)
_IS_WHITE = re.compile(rf"\s*{_WHITE}\s*(?:!|;|$)", re.IGNORECASE)
_LETTER = re.compile(r"\w")
_MACHINE_COMMENT = re.compile(r"\s*(?:\[if|<!\[endif|\[endif|StartFragment|EndFragment)")


def strip_unseen(tree: LexborHTMLParser, html: str) -> list[Hidden]:
    """Take hidden elements out of a tree; what is hidden from screen readers only stays.

    A style sheet is not followed: what only a class hides stays in.

    Args:
        html: the page as text; comments are looked for in it.
    """
    root = tree.root
    if root is None:
        return []
    found: dict[int, tuple[LexborNode, str]] = {}
    has_sheet = tree.css_first("style, link[rel=stylesheet]") is not None
    for node in root.css("[hidden]"):
        found[node.mem_id] = (node, "the attribute hidden")
    for node in root.css("[style]"):
        how = _hidden_by(node, has_sheet=has_sheet)
        if how:
            found[node.mem_id] = (node, how)
    for node in root.css("font[color]"):
        is_white = _IS_WHITE.match(node.attributes.get("color") or "")
        if is_white and _stands_on_white(node, has_sheet=has_sheet):
            found[node.mem_id] = (node, "white on white")
    # Only outermost ones are taken out: what is in them goes with them.
    outer = [pair for pair in found.values() if not _is_within(pair[0], found)]
    outer.sort(key=lambda pair: pair[1])
    told = [Hidden(how, node.text(deep=True, separator=" ")) for node, how in outer[:MAX_PIECES]]
    for node, _ in outer:
        node.decompose()
    told += [Hidden("a comment", comment) for comment in _comments(html)]
    if not html.isascii() and (spelled := smuggled(html)):
        told.append(Hidden("tag characters", spelled))
    return [one for one in told if _LETTER.search(one.text)]


def _hidden_by(node: LexborNode, *, has_sheet: bool) -> str:
    style = node.attributes.get("style") or ""
    for how, pattern in _STYLES:
        if pattern.search(style):
            # A box of size 0 often holds boxes that set their own size.
            is_reset = how == "font-size:0" and _has_own_sizes(node)
            return "" if is_reset else how
    if _WHITE_TEXT.search(style) and _stands_on_white(node, has_sheet=has_sheet):
        return "white on white"
    return ""


def _has_own_sizes(node: LexborNode) -> bool:
    within = (one for one in node.css("[style]") if one.mem_id != node.mem_id)
    return any("font" in (one.attributes.get("style") or "") for one in within)


def _stands_on_white(node: LexborNode, *, has_sheet: bool) -> bool:
    """Tell whether the nearest ground that is set is white; a style sheet may set any ground."""
    at: LexborNode | None = node
    while at is not None:
        attributes = at.attributes
        ground = _GROUND.search(attributes.get("style") or "")
        colour = ground.group(1) if ground else attributes.get("bgcolor")
        if colour and "transparent" not in colour:
            return _IS_WHITE.match(colour) is not None
        at = at.parent
    return not has_sheet


def _is_within(node: LexborNode, found: dict[int, tuple[LexborNode, str]]) -> bool:
    at = node.parent
    while at is not None:
        if at.mem_id in found:
            return True
        at = at.parent
    return False


def _comments(html: str) -> list[str]:
    """Find comments that a person may have written, in linear time."""
    found: list[str] = []
    at = html.find("<!--")
    while at >= 0 and len(found) < MAX_PIECES:
        end = html.find("-->", at + 4)
        if end < 0:
            break
        inner = html[at + 4 : min(end, at + 400)]
        if not _MACHINE_COMMENT.match(inner):
            found.append(inner)
        at = html.find("<!--", end + 3)
    return found
