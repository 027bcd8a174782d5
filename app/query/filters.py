"""Filters of a question → which documents and passages may answer; pure but for one list.

A filter may be typed in the question (`file:report.pdf type:pdf after:2025 heading:"Chapter 2"`, or
文件：报告.pdf); `parse` takes it out and `write` puts it back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache

from app.query.errors import EmptyQuestionError, FilterError
from app.query.types import Ask, Filters
from app.query.words import cjk_share, fold
from ingest.load.sniff import SUFFIXES
from ingest.types import Document, Hit

RECALL = 50  # hits asked of each leg
FILTERED_RECALL = 1_000  # the same where headings are filtered after the search

_OFFICE = "application/vnd.openxmlformats-officedocument"
_WORD = f"{_OFFICE}.wordprocessingml.document"
_SLIDES = f"{_OFFICE}.presentationml.presentation"
_SHEET = f"{_OFFICE}.spreadsheetml.sheet"
_OLD_WORD, _OLD_SLIDES, _OLD_SHEET = (
    "application/msword", "application/vnd.ms-powerpoint", "application/vnd.ms-excel",
)  # fmt: skip
_OPEN_TEXT = "application/vnd.oasis.opendocument.text"
# What is typed → media types. A suffix that is not here is asked of the path: code is plain text.
_TYPES: Mapping[str, tuple[str, ...]] = {
    one: types
    for names, types in (
        ("pdf", ("application/pdf",)),
        ("md markdown mdown mkd mdx", ("text/markdown",)),
        ("html htm xhtml shtml web 网页 網頁", ("text/html",)),
        ("text 文本", ("text/plain",)),
        ("docx docm dotx", (_WORD,)),
        ("doc dot", (_OLD_WORD,)),
        ("word", (_WORD, _OLD_WORD, _OPEN_TEXT)),
        ("pptx pptm ppsx", (_SLIDES,)),
        ("ppt pps", (_OLD_SLIDES,)),
        ("powerpoint slides 幻灯片 簡報", (_SLIDES, _OLD_SLIDES)),
        ("xlsx xlsm", (_SHEET,)),
        ("xls xlt", (_OLD_SHEET,)),
        ("excel", (_SHEET, _OLD_SHEET)),
        ("table 表格", (_SHEET, _OLD_SHEET, "text/csv", "text/tab-separated-values")),
        ("csv", ("text/csv",)),
        ("tsv tab", ("text/tab-separated-values",)),
        ("odt", (_OPEN_TEXT,)),
        ("rtf", ("application/rtf",)),
        ("rst", ("text/x-rst",)),
        ("org", ("text/x-org",)),
        ("epub book 电子书 電子書", ("application/epub+zip",)),
        ("eml", ("message/rfc822",)),
        ("mbox mbx", ("application/mbox",)),
        ("mail email 邮件 郵件", ("message/rfc822", "application/mbox")),
        ("ipynb notebook", ("application/x-ipynb+json",)),
        ("srt", ("application/x-subrip",)),
        ("json jsonc geojson", ("application/json",)),
        ("jsonl ndjson", ("application/x-ndjson",)),
        ("yaml yml", ("application/yaml",)),
        ("toml", ("application/toml",)),
        ("xml xsd xsl xslt svg rss atom", ("application/xml",)),
        ("png", ("image/png",)),
        ("jpg jpeg", ("image/jpeg",)),
        ("tif tiff", ("image/tiff",)),
        ("image picture 图片 圖片", ("image/*",)),
    )
    for one in names.split()
}
_SHOWN_TYPES = "pdf, docx, word, pptx, xlsx, csv, md, html, txt, epub, mail, image"

_KEYS: Mapping[str, str] = {
    one: field
    for names, field in (
        ("file filename 文件 文件名 檔案", "file"),
        ("path 路径 路徑", "path"),
        ("type filetype 类型 類型", "type"),
        ("after since 之后 之後", "after"),
        ("before 之前", "before"),
        ("heading section 标题 標題 章节 章節", "heading"),
    )
    for one in names.split()
}
_WORDS = "|".join(sorted(_KEYS, key=len, reverse=True))
_CJK_QUESTION = 0.3  # share of CJK letters from which on a question is answered in Chinese
_ENDS = "，。；？！、"
# A key counts at the start of a word only and with its value right behind the colon: “Error: file
# not found” has neither. What stands in quotation marks or backticks is text.
_TYPED = re.compile(
    r"(?P<text>(?<!\w)\"[^\"\n]{0,300}\"|`[^`\n]{0,300}`|“[^”\n]{0,300}”)"
    rf"|(?:(?<=[\s(（{_ENDS},;])|^)(?P<key>{_WORDS})[:：]"
    r"(?:\"(?P<quoted>(?:[^\"\\\n]|\\[^\n]){1,500})\"|“(?P<curled>[^”\n]{1,500})”"
    rf"|(?P<plain>(?!//)[^\s\"“{_ENDS}:：]+(?=[\s\"“{_ENDS}]|$)))",
    re.IGNORECASE,
)
_TRAILING = "?!.,;)）'"
_DATE = re.compile(
    r"(?P<year>\d{4})(?:[-/.年](?P<month>\d{1,2})(?:[-/.月](?P<day>\d{1,2})日?|月)?|年)?"
)
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+*-]+")
_SUFFIX = re.compile(r"\.\w{1,12}")


def with_typed_filters(ask: Ask) -> Ask:
    """Take the filters out of a question and join them with those of the request.

    Raises:
        FilterError: a date cannot be read, or a type is unknown.
        EmptyQuestionError: there is nothing but filters.
    """
    question, typed = parse(ask.question)
    if not typed:
        return ask
    if not question:
        raise EmptyQuestionError(worded(typed))
    return replace(ask, question=question, filters=merged(ask.filters, typed))


def parse(question: str) -> tuple[str, Filters]:
    """Read the filters that are typed in a question.

    Returns:
        The question without them, and the filters; the inverse of `write`.

    Raises:
        FilterError: a date cannot be read, or a type is unknown.
    """
    found: dict[str, list[str]] = {field: [] for field in dict.fromkeys(_KEYS.values())}
    kept, at = "", 0
    for match in _TYPED.finditer(question):
        if match.group("text"):
            continue
        field = _KEYS[match.group("key").casefold()]
        value, end = _value(field, match)
        if not value:
            continue
        found[field] += _values(field, value, match.group("key"))
        kept = _join(kept, question[at : match.start()])
        at = end
    kept = _join(kept, question[at:]) if at else question
    return kept.strip(), Filters(
        paths=_once((*found["file"], *found["path"])),
        media_types=_once(found["type"]),
        headings=_once(found["heading"]),
        after=max(found["after"], default=""),
        before=min(found["before"], default=""),
    )


def without_filters(said: str) -> str:
    """Take the filters out of an earlier question; they were for that one only."""
    try:
        return parse(said)[0] or said
    except FilterError:
        return said


def write(question: str, filters: Filters) -> str:
    """Write a question with filters typed behind it; document ids and `also` cannot be typed."""
    typed = [
        *(_written("path", one) for one in filters.paths),
        *(_written("type", one) for one in filters.media_types),
        *(_written("heading", one) for one in filters.headings),
        *(_written("after", one) for one in (filters.after,) if one),
        *(_written("before", one) for one in (filters.before,) if one),
    ]
    return " ".join((*([question] if question else ()), *typed))


def worded(filters: Filters) -> str:
    """Word filters for a reader: as they could be typed, and those that cannot be."""
    n_documents = len(filters.document_ids)
    own = (f"{n_documents} documents" if n_documents else "", write("", filters))
    return " ".join(one for one in (*own, *map(worded, filters.also)) if one)


def nothing_passes(question: str, collection: str, filters: Filters) -> str:
    """Say in the question's language that the filters let nothing through."""
    named = worded(filters)
    if cjk_share(question) > _CJK_QUESTION:
        return f"资料集“{collection}”中没有符合筛选条件 {named} 的内容。请去掉或放宽筛选条件再问。"
    return (
        f"Nothing in the collection “{collection}” passes the filters {named}. "
        "Ask without them, or with wider ones."
    )


def merged(asked: Filters, typed: Filters) -> Filters:
    """Join two filters so that both must hold: what is typed never widens what was asked for."""
    if not asked:
        return typed
    rest = Filters(
        paths=typed.paths if asked.paths else (),
        media_types=typed.media_types if asked.media_types else (),
        headings=typed.headings if asked.headings else (),
    )
    return replace(
        asked,
        paths=asked.paths or typed.paths,
        media_types=asked.media_types or typed.media_types,
        headings=asked.headings or typed.headings,
        after=max(asked.after, typed.after),
        before=min((one for one in (asked.before, typed.before) if one), default=""),
        also=(*asked.also, rest) if rest else asked.also,
    )


def day_of(value: str, name: str) -> str:
    """Read a date as its ISO day: 2025, 2025-01, 2025/1/31, 2025年1月31日.

    Args:
        name: of the filter, for the message.

    Raises:
        FilterError: it is none.
    """
    match = _DATE.fullmatch(unicodedata.normalize("NFKC", value).strip())
    parts = (match["year"], match["month"], match["day"]) if match else ("0", "0", "0")
    try:
        return date(*(int(part or 1) for part in parts)).isoformat()
    except ValueError:
        raise FilterError(
            name, value, "a date such as 2025, 2025-01, 2025-01-31 or 2025年1月31日"
        ) from None


def types_of(value: str, name: str = "type") -> tuple[str, ...]:
    """Turn the name of a file type into media types, or into the suffix where it has none.

    Raises:
        FilterError: it is unknown.
    """
    folded = fold(value.strip())
    if folded in _TYPES:
        return _TYPES[folded]
    if _MEDIA_TYPE.fullmatch(folded) or _SUFFIX.fullmatch(folded):
        return (folded,)
    if f".{folded}" in SUFFIXES:
        return (f".{folded}",)
    raise FilterError(
        name, value, f"{_SHOWN_TYPES}, a suffix such as .py, or a media type such as text/plain"
    )


def depth(filters: Filters) -> int:
    """Choose how many hits each leg is asked for; headings are filtered after the search."""
    return FILTERED_RECALL if _has_headings(filters) else RECALL


def allowed(
    documents: Callable[[str], Sequence[Document]], collection: str, filters: Filters
) -> list[str] | None:
    """List the documents that may answer; None allows all."""
    if not _chooses_documents(filters):
        return None
    return [document.id for document in documents(collection) if _is_allowed(document, filters)]


def keeps(filters: Filters, hit: Hit) -> bool:
    """Tell whether a passage stands under a heading that is asked for."""
    if filters.headings:
        above = fold(" > ".join((hit.title, *hit.headings)))
        if not any(_names(one, above) for one in filters.headings):
            return False
    return all(keeps(one, hit) for one in filters.also)


def _value(field: str, match: re.Match[str]) -> tuple[str, int]:
    """Give the value of a typed filter, and where it ends in the question."""
    if match["quoted"] is not None:
        return re.sub(r"\\(.)", r"\1", match["quoted"]).strip(), match.end()
    if match["curled"] is not None:
        return match["curled"].strip(), match.end()
    value = match["plain"]
    # 类型：pdf的文件, 之后：2025年的报告: Chinese goes on without a blank.
    if field == "type" and value[0].isascii():
        value = (re.match(r"[!-~]+", value) or match)[0]
    elif field in ("after", "before"):
        read = _DATE.match(value)
        if read and not value[read.end() :][:1].isascii():
            value = read[0]
    value = value.rstrip(_TRAILING)
    return value, match.start("plain") + len(value)


def _values(field: str, value: str, key: str) -> list[str]:
    if field in ("after", "before"):
        return [day_of(value, key)]
    if field == "type":
        return [one for part in value.split(",") if part for one in types_of(part, key)]
    if field == "file":
        is_whole = any(mark in value for mark in ".*?")
        return [f"**/{value}" if is_whole else f"**/{value}*"]
    return [value]


def _join(before: str, after: str) -> str:
    """Close the gap that a filter leaves."""
    if not before.strip():
        return after.lstrip(f" \t\n{_ENDS},;")
    if not after.strip(f"{_TRAILING} "):
        return before.rstrip() + after.strip()
    return f"{before.rstrip()} {after.lstrip()}"


def _written(key: str, value: str) -> str:
    if key == "path" and value.startswith("**/"):
        name = value[3:]
        if name and any(mark in name for mark in ".*?"):
            key, value = "file", name
    is_plain = re.fullmatch(rf"(?!//)[^\s\"“\\{_ENDS}:：]+", value) and not value.endswith(
        tuple(_TRAILING)
    )
    if is_plain and (key == "path" or value.isascii()):
        return f"{key}:{value}"
    escaped = re.sub(r'(["\\])', r"\\\1", value)
    return f'{key}:"{escaped}"'


def _once(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _has_headings(filters: Filters) -> bool:
    return bool(filters.headings) or any(_has_headings(one) for one in filters.also)


def _chooses_documents(filters: Filters) -> bool:
    return bool(replace(filters, headings=(), also=())) or any(
        _chooses_documents(one) for one in filters.also
    )


def _is_allowed(document: Document, filters: Filters) -> bool:
    day = document.added_at[:10]
    if (filters.after and day < filters.after) or (filters.before and day >= filters.before):
        return False
    if filters.document_ids and document.id not in filters.document_ids:
        return False
    if filters.media_types and not any(_is_of(document, one) for one in filters.media_types):
        return False
    if filters.paths and not any(
        _matches(path, glob) for path in document.paths for glob in filters.paths
    ):
        return False
    return all(_is_allowed(document, one) for one in filters.also)


def _is_of(document: Document, kind: str) -> bool:
    """Tell whether a document is of a media type, a pattern of one (image/*), or a suffix."""
    if kind.startswith("."):
        return any(fold(path).endswith(fold(kind)) for path in document.paths)
    return fnmatchcase(document.media_type.casefold(), kind.casefold())


def _matches(path: str, glob: str) -> bool:
    """Match a path as written or as a pattern, whatever its case; `**/` stands for any folder."""
    path, glob = fold(path), fold(glob)
    inner = glob.removeprefix("**/")
    if path in (glob, inner) or (inner != glob and path.endswith(f"/{inner}")):
        return True  # a name as it stands: “report [1].pdf” is no pattern
    return fnmatchcase(path, glob) or fnmatchcase(path, inner)


@lru_cache(maxsize=256)
def _heading(asked: str) -> re.Pattern[str]:
    """Find a heading at the edges of words: “Chapter 2” is not in “Chapter 20”."""
    folded = " ".join(fold(asked).split())
    begins = r"(?<![^\W_])" if folded[:1].isascii() and folded[:1].isalnum() else ""
    ends = r"(?![^\W_])" if folded[-1:].isascii() and folded[-1:].isalnum() else ""
    return re.compile(begins + re.escape(folded) + ends)


def _names(asked: str, above: str) -> bool:
    return _heading(asked).search(" ".join(above.split())) is not None
