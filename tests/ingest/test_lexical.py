import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.lexical import TOKENIZE, match_expression, terms


@pytest.fixture(scope="module")
def index():
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE VIRTUAL TABLE t USING fts5(x, content='', tokenize=\"{TOKENIZE}\")")
    yield connection
    connection.close()


def finds(index, text, query):
    index.execute("INSERT INTO t(t) VALUES('delete-all')")
    index.execute("INSERT INTO t(rowid, x) VALUES(1, ?)", (" ".join(terms(text)),))
    expression = match_expression(query)
    return bool(expression) and bool(
        index.execute("SELECT rowid FROM t WHERE t MATCH ?", (expression,)).fetchall()
    )


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Replacing the batteries", "battery replacement"),
        ("The part QX-4417 is blue", "QX-4417"),
        ("The part QX-4417 is blue", "4417"),
        ("released in v1.2.3", "v1.2.3"),
        ("call foo_bar() first", "foo_bar"),
        ("call foo_bar() first", "bar"),
        ("call __init__ first", "__init__"),
        ("written in C++ and C#", "C++"),
        ("ask me@example.org", "me@example.org"),
        ("the company's café", "company CAFE"),
        ("ＱＵＩＲＥ　２０２６", "quire 2026"),
        ("我爱吃苹果和香蕉", "苹果"),
        ("我爱吃苹果和香蕉", "蕉"),
        ("我爱吃苹果和香蕉", "爱"),
        ("猫", "猫"),
        ("臺灣鐵路", "台湾铁路"),
        ("万里长城", "萬里長城"),
        ("使用iPhone15手机", "iphone15"),
        ("𠀀𠀁字", "𠀀𠀁"),
        ("ภาษาไทยสวย", "ไทย"),
        ("한국어 문서를 찾는다", "문서"),
        ("to be or not to be", "to be or not to be"),
        ("什么", "什么"),
        ("Straße", "STRASSE"),
    ],
)
def test_a_text_is_found_by(index, text, query):
    assert finds(index, text, query)


@pytest.mark.parametrize(
    ("text", "query"), [("我爱吃苹果", "果汁"), ("the of and", "the zebra"), ("abc", "!?")]
)
def test_a_text_is_not_found_by(index, text, query):
    assert not finds(index, text, query)


def test_question_words_are_not_searched_for():
    assert match_expression("What is the capital of France?") == '"capital" OR "france"'
    assert "什么" not in match_expression("法国的首都是什么")


@given(st.text(max_size=60) | st.text(alphabet="\"'*^:(){}[]-+.#@_ ANDORNOTear你好", max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_query_is_a_syntax_error_and_every_text_finds_itself(index, text):
    is_found = finds(index, text, text)

    assert is_found or not terms(text)


def test_a_huge_query_is_bounded():
    expression = match_expression(" ".join(f"word{n}" for n in range(100_000)))

    assert expression.count(" OR ") == 127
