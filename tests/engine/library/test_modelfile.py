"""A Modelfile is read as Ollama reads it, and written so that it says the same."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ModelfileError
from engine.library.modelfile import (
    Modelfile,
    decode_modelfile,
    parse_modelfile,
    render_modelfile,
)
from engine.types import Message

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]) | st.sampled_from('"\n '), max_size=40
).filter(lambda text: '"""' not in text)
WORD = st.from_regex(r"[a-z0-9._/:-]{1,20}", fullmatch=True)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "num_ctx": st.integers(1, 1 << 20),
        "use_mmap": st.booleans(),
        "stop": st.lists(TEXT, min_size=1, max_size=3),
    },
)
MODELFILES = st.builds(
    Modelfile,
    sources=st.lists(WORD, min_size=1, max_size=2).map(tuple),
    adapters=st.lists(WORD, max_size=1).map(tuple),
    template=st.none() | TEXT,
    system=st.none() | TEXT,
    licenses=st.lists(TEXT, max_size=2).map(tuple),
    parameters=PARAMETERS,
    messages=st.lists(
        st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=2
    ).map(tuple),
    renderer=st.none() | WORD,
    requires=st.none() | st.just("0.14.0"),
)


@given(MODELFILES)
def test_what_is_written_is_read_back(modelfile):
    assert parse_modelfile(render_modelfile(modelfile)) == modelfile


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    with suppress(ModelfileError):
        assert parse_modelfile(text).sources


def test_keywords_are_read_in_any_case_and_comments_are_not():
    text = """
# a comment
from llama3.2
Parameter temperature 0.5
parameter stop <|a|>
PARAMETER stop "<|b c|> "
SYSTEM You are # not a comment
TEMPLATE \"\"\"{{ .Prompt }}
 "quoted" \"\"\"
MESSAGE user  Hello "you"
MESSAGE assistant "Hi
there"
LICENSE one
LICENSE two
"""

    assert parse_modelfile(text) == Modelfile(
        sources=("llama3.2",),
        parameters={"temperature": 0.5, "stop": ["<|a|>", "<|b c|> "]},
        system="You are # not a comment",
        template='{{ .Prompt }}\n "quoted" ',
        messages=(Message("user", 'Hello "you"'), Message("assistant", "Hi\nthere")),
        licenses=("one", "two"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no FROM line"),
        ("# only a comment", "no FROM line"),
        ("FROM a\nHELLO b", r'\(line 2\): command must be one of "from", "license"'),
        ("FROM a\nMESSAGE tool x", r"\(line 2\): message role must be one of"),
        ('FROM a\nSYSTEM """never closed', "unexpected EOF"),
        ("FROM a\nPARAMETER wings 2", "unknown parameter 'wings'"),
        ("FROM a\nPARAMETER num_ctx many", r"invalid int value \[many\]"),
        ("FROM a\nPARAMETER top_p nan", r"invalid float value \[nan\]"),
        ("FROM a\nPARAMETER use_mmap perhaps", r"invalid bool value \[perhaps\]"),
        ("FROM a\nREQUIRES new", "requires must be a valid semver"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(ModelfileError, match=message):
        parse_modelfile(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_are_read_in_the_usual_encodings(encoding):
    assert decode_modelfile("FROM ä".encode(encoding)) == "FROM ä"


def test_other_encodings_are_refused():
    with pytest.raises(ModelfileError, match="not UTF-8"):
        decode_modelfile(b"FROM \xe4")


def test_a_comment_stands_at_the_top():
    text = render_modelfile(Modelfile(("a",)), comment="made by hand\n\nFROM b")

    assert text == "# made by hand\n#\n# FROM b\n\nFROM a\n"


@pytest.mark.parametrize("text", ['"""\nb', 'a\nb"""\nc', '"a" """ \n'])
def test_a_value_that_cannot_be_quoted_is_refused(text):
    with pytest.raises(ModelfileError, match="holds"):
        render_modelfile(Modelfile(("a",), system=text))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"He said "hi" to me"', 'He said "hi" to me'),
        ('"""a """ b"""', 'a """ b'),
        ('say """', 'say """'),
        ('""', ""),
        ('"""one\n"two\nthree"""', 'one\n"two\nthree'),
        ("'single'", "'single'"),
        ("a \\n b", "a \\n b"),
        ("  spaced out\t", "spaced out"),
        ('" spaced out "', " spaced out "),
    ],
)
def test_a_quotation_ends_with_its_line(written, read):
    assert parse_modelfile(f"FROM a\nSYSTEM {written}\nLICENSE free\n").system == read


def test_lines_may_end_as_on_windows():
    found = parse_modelfile("FROM a\r\n# note\r\nPARAMETER top_k 3\r\nSYSTEM short\r\n")

    assert (found.sources, found.parameters, found.system) == (("a",), {"top_k": 3}, "short")


def test_every_keyword_is_read():
    text = (
        "FROM base\nFROM ./mmproj.gguf\nADAPTER ./lora\nDRAFT ./draft.gguf\n"
        "RENDERER qwen3\nPARSER qwen3\nREQUIRES 0.14.0"
    )

    assert parse_modelfile(text) == Modelfile(
        sources=("base", "./mmproj.gguf"),
        adapters=("./lora",),
        draft="./draft.gguf",
        renderer="qwen3",
        parser="qwen3",
        requires="0.14.0",
    )


@pytest.mark.parametrize("version", ["0.14", "1.2.3.4", "v", "1.2.x", "0.14.0 "])
def test_a_version_has_three_numbers(version):
    with pytest.raises(ModelfileError, match="must be a valid semver"):
        parse_modelfile(f'FROM a\nREQUIRES "{version}"')
