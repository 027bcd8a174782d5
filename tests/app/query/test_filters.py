from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.query.errors import EmptyQuestionError, FilterError
from app.query.filters import (
    FILTERED_RECALL,
    RECALL,
    allowed,
    depth,
    keeps,
    merged,
    parse,
    with_typed_filters,
    write,
)
from app.query.types import Ask, Filters
from ingest.load.loaders import load
from ingest.load.sniff import SUFFIXES
from ingest.types import Document, Hit

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def document(path: str, media_type: str = "text/plain", added_at: str = "2025-06-01T12:00:00Z"):
    return Document(path, "c", "", path, media_type, (path,), 0, 0, 1, added_at)


def ids(documents, filters):
    return allowed(lambda _: documents, "c", filters)


def hit(*headings: str, title: str = "") -> Hit:
    return Hit(1, "d", "d.md", title, None, headings, 0, 1, "x", 1.0)


@pytest.mark.parametrize(
    ("question", "left", "filters"),
    [
        ("file:report.pdf who won?", "who won?", Filters(paths=("**/report.pdf",))),
        ("who won? file:report", "who won?", Filters(paths=("**/report*",))),
        ('who won in file:"my file.md"?', "who won in?", Filters(paths=("**/my file.md",))),
        ("who won in file:report.pdf?", "who won in?", Filters(paths=("**/report.pdf",))),
        ("path:docs/** who won?", "who won?", Filters(paths=("docs/**",))),
        ("who type:pdf won?", "who won?", Filters(media_types=("application/pdf",))),
        ("who won? TYPE:.py", "who won?", Filters(media_types=(".py",))),
        ("who won? type:py", "who won?", Filters(media_types=(".py",))),
        ("who won? type:md,docx", "who won?", Filters(media_types=("text/markdown", DOCX))),
        ("who won? type:text/x-org", "who won?", Filters(media_types=("text/x-org",))),
        ("who won? after:2025-01-31", "who won?", Filters(after="2025-01-31")),
        ("who won? after:2025 before:2026/3.", "who won?.",
         Filters(after="2025-01-01", before="2026-03-01")),
        ('who won? heading:"Chapter 2"', "who won?", Filters(headings=("Chapter 2",))),
        ("who won? section:“Chapter 2”", "who won?", Filters(headings=("Chapter 2",))),
        ("文件：报告.pdf 谁赢了？", "谁赢了？", Filters(paths=("**/报告.pdf",))),
        ("文件：报告.pdf，谁赢了？", "谁赢了？", Filters(paths=("**/报告.pdf",))),
        ("类型：md的文件里谁赢了？", "的文件里谁赢了？", Filters(media_types=("text/markdown",))),
        ("谁赢了？ 之后：2025年1月31日", "谁赢了？", Filters(after="2025-01-31")),
        ("谁赢了？之前：2025年 标题:第二章", "谁赢了？",
         Filters(before="2025-01-01", headings=("第二章",))),
        ("谁赢了？类型：图片", "谁赢了？", Filters(media_types=("image/*",))),
        ("file:a.md file:b.md which?", "which?", Filters(paths=("**/a.md", "**/b.md"))),
    ],
)  # fmt: skip
def test_filters_are_read_out_of_the_question(question, left, filters):
    assert parse(question) == (left, filters)


@pytest.mark.parametrize(
    "question",
    [
        "Error: file not found",
        "What does 'file: not found' mean?",
        "Is https://example.org/file:x the right address?",
        "Why does file:///etc/hosts open?",
        "What is in Foo.java file:Foo.java:12?",
        "什么是类型：",
        "什么是类型：整数？",
        "类型： 有哪些？",
        "What does profile:x mean?",
        'What does "type:nothing" mean?',
        "What does `after:never` mean?",
        "a ratio of 3:4, at 12:30",
        "",
        "   ",
        "heading:",
        'file:""',
    ],
)
def test_a_colon_in_ordinary_text_is_left_alone(question):
    assert parse(question) == (question.strip(), Filters())


@pytest.mark.parametrize(
    ("question", "value", "allowed_value"),
    [
        ("who won? type:nonsense", "type:nonsense", "pdf"),
        ("who won? after:yesterday", "after:yesterday", "2025-01-31"),
        ("who won? after:2025-13-01", "after:2025-13-01", "2025-01-31"),
        ("who won? before:2025-02-30", "before:2025-02-30", "2025-01"),
        ("谁赢了？之后：昨天", "之后:昨天", "2025年1月31日"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_value_and_what_is_allowed(
    question, value, allowed_value
):
    with pytest.raises(FilterError) as refused:
        parse(question)

    assert value in str(refused.value)
    assert allowed_value in str(refused.value)


_text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")),
    min_size=1,
    max_size=20,
).filter(lambda text: text == text.strip())
_days = st.dates().filter(lambda day: day.year > 999).map(lambda day: day.isoformat())
_filters = st.builds(
    Filters,
    paths=st.lists(_text, max_size=2, unique=True).map(tuple),
    media_types=st.lists(
        st.sampled_from(["application/pdf", ".py", "image/*", DOCX]), max_size=2, unique=True
    ).map(tuple),
    headings=st.lists(_text, max_size=2, unique=True).map(tuple),
    after=st.one_of(st.just(""), _days),
    before=st.one_of(st.just(""), _days),
)


@given(
    question=st.sampled_from(["", "Who won?", "谁赢了？", "who, in 2025: why"]), filters=_filters
)
def test_parsing_undoes_writing(question, filters):
    assert _sorted(parse(write(question, filters))) == _sorted((question, filters))


def _sorted(parsed):
    question, filters = parsed
    return question, sorted(filters.paths), filters.media_types, filters.headings, \
        filters.after, filters.before  # fmt: skip


@given(st.text(max_size=300))
def test_any_text_is_parsed_or_refused_with_a_reason(question):
    try:
        left, _ = parse(question)
    except FilterError:
        return
    assert len(left) <= len(question)


def test_every_suffix_that_is_read_is_a_type():
    for suffix in SUFFIXES:
        assert parse(f"x type:{suffix[1:]}")[1].media_types


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", b"# A\n\ntext"), ("a.html", b"<html><body>text</body></html>"),
        ("a.csv", b"a,b\n1,2"),
        ("a.tsv", b"a\tb\n1\t2"), ("a.json", b'{"a": "text"}'), ("a.yaml", b"a: text"),
        ("a.toml", b'a = "text"'), ("a.xml", b"<a>text</a>"), ("a.py", b"def f():\n    pass"),
        ("a.txt", b"text"), ("a.ini", b"[a]\nb=1"), ("a.eml", b"From: a@b.c\nSubject: x\n\ntext"),
    ],
)  # fmt: skip
def test_a_suffix_as_type_finds_the_files_that_bear_it(name, content):
    _, filters = parse(f"x type:{name.rpartition('.')[2]}")
    stored = document(name, load(content, name).media_type)

    assert ids([stored, document("b.pdf", "application/pdf")], filters) == [name]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(paths=("**/a.md",)), ["a.md", "docs/A.md"]),
        (Filters(paths=("docs/**",)), ["docs/A.md", "docs/b [1].pdf"]),
        (Filters(paths=("**/b [1].pdf",)), ["docs/b [1].pdf"]),
        (Filters(paths=("*.pdf",)), ["docs/b [1].pdf"]),
        (Filters(media_types=("application/*",)), ["docs/b [1].pdf"]),
        (Filters(media_types=(".md",)), ["a.md", "docs/A.md"]),
        (Filters(after="2025-06-02"), ["docs/A.md"]),
        (Filters(before="2025-06-02"), ["a.md", "docs/b [1].pdf"]),
        (Filters(paths=("*.md",), also=(Filters(paths=("docs/**",)),)), ["docs/A.md"]),
        (Filters(also=(Filters(document_ids=("a.md",)),)), ["a.md"]),
        (Filters(document_ids=("gone",)), []),
    ],
)
def test_filters_choose_documents(filters, expected):
    documents = [
        document("a.md", "text/markdown"),
        document("docs/A.md", "text/markdown", "2025-06-02T00:00:00Z"),
        document("docs/b [1].pdf", "application/pdf"),
    ]

    assert ids(documents, filters) == expected


def test_without_a_filter_on_documents_none_are_listed():
    def never(_):
        raise AssertionError

    assert allowed(never, "c", Filters()) is None
    assert allowed(never, "c", Filters(headings=("A",), also=(Filters(headings=("B",)),))) is None


@pytest.mark.parametrize(
    ("asked", "headings", "is_kept"),
    [
        ("chapter 2", ("Part I", "Chapter 2: The sea"), True),
        ("Chapter 2", ("Chapter 20",), False),
        ("第二章", ("第二章 海",), True),
        ("ｃｈａｐｔｅｒ　2", ("Chapter 2",), True),
        ("part i > chapter 2", ("Part I", "Chapter 2"), True),
        ("C++", ("About C++ and C",), True),
        ("sea", (), False),
    ],
)
def test_a_heading_is_found_at_the_edges_of_words(asked, headings, is_kept):
    assert keeps(Filters(headings=(asked,)), hit(*headings)) == is_kept
    assert keeps(Filters(also=(Filters(headings=(asked,)),)), hit(*headings)) == is_kept


def test_a_title_counts_as_a_heading():
    assert keeps(Filters(headings=("the sea",)), hit(title="The Sea"))


def test_headings_are_filtered_after_the_search_so_it_looks_deeper():
    assert depth(Filters()) == depth(Filters(paths=("x",))) == RECALL
    assert depth(Filters(headings=("x",))) == FILTERED_RECALL
    assert depth(Filters(also=(Filters(headings=("x",)),))) == FILTERED_RECALL


def test_what_is_typed_narrows_what_was_asked_for_and_never_widens_it():
    documents = [document("a.md", "text/markdown"), document("b.md", "text/markdown"),
                 document("b.pdf", "application/pdf", "2024-01-01")]  # fmt: skip
    asked = Filters(document_ids=("a.md", "b.pdf"), paths=("a*",), after="2025", before="2026")

    joined = merged(asked, Filters(paths=("b*",), after="2024", before="2025-12-01"))

    assert (joined.after, joined.before) == ("2025", "2025-12-01")
    assert ids(documents, joined) == []
    assert ids(documents, merged(Filters(paths=("b*",)), Filters(media_types=("text/*",)))) == [
        "b.md"
    ]
    assert merged(Filters(), asked) == asked
    assert merged(Filters(before="2026"), Filters(paths=("a",))) == Filters(
        before="2026", paths=("a",)
    )


def test_the_question_goes_on_without_its_filters():
    ask = Ask("Where was Tesla born? file:tesla.md", "c", 3, filters=Filters(after="2020"))

    assert with_typed_filters(ask) == Ask(
        "Where was Tesla born?", "c", 3, filters=Filters(paths=("**/tesla.md",), after="2020")
    )
    plain = Ask("Where was Tesla born?", "c")
    assert with_typed_filters(plain) is plain


@pytest.mark.parametrize("question", ["file:a.md", " type:pdf  after:2025 ", "文件：报告.pdf"])
def test_filters_alone_are_no_question(question):
    with pytest.raises(EmptyQuestionError, match="nothing but filters"):
        with_typed_filters(Ask(question, "c"))
