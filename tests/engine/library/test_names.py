"""Names are read as Ollama reads them, and no name leads out of the models folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ModelNameError
from engine.library.names import ModelName, is_cloud, parse, scheme_of

WORD = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,20}", fullmatch=True)
TAG = WORD.filter(lambda tag: tag.lower() != "local")
NAMES = st.builds(
    ModelName,
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,20}(:[0-9]{1,5})?", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,20}", fullmatch=True),
    WORD,
    TAG,
)


@given(NAMES)
def test_the_full_form_is_read_back(name):
    assert parse(name.full) == name


@given(NAMES)
def test_the_short_form_names_the_same_model(name):
    assert parse(name.short).key == name.key


@given(st.text(max_size=60) | st.from_regex(r"[a-z./\\:]{1,30}", fullmatch=True))
def test_no_name_leads_out_of_the_folder(text):
    try:
        name = parse(text)
    except ModelNameError:
        return

    root = Path("/models/manifests")
    path = root.joinpath(*name.parts)
    assert path.resolve().is_relative_to(root)
    assert len(path.relative_to(root).parts) == 4


@pytest.mark.parametrize(
    ("text", "full", "short"),
    [
        ("llama3.2", "registry.ollama.ai/library/llama3.2:latest", "llama3.2:latest"),
        ("me/m:v1", "registry.ollama.ai/me/m:v1", "me/m:v1"),
        ("hf.co/u/r:Q4_K_M", "hf.co/u/r:Q4_K_M", "hf.co/u/r:Q4_K_M"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest", "localhost:5000/a/b:latest"),
        ("https://example.com/a/b:c", "example.com/a/b:c", "example.com/a/b:c"),
        ("m:local", "registry.ollama.ai/library/m:latest", "m:latest"),
        ("m:v1:LOCAL", "registry.ollama.ai/library/m:v1", "m:v1"),
        ("m:cloud", "registry.ollama.ai/library/m:cloud", "m:cloud"),
    ],
)
def test_missing_parts_have_defaults(text, full, short):
    assert (parse(text).full, parse(text).short) == (full, short)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/m",
        "m:",
        "a//b",
        "../m",
        "m/..",
        "a/b/c/d",
        "m:..",
        ".m",
        "-m",
        "m@sha256:" + "0" * 64,
        "m n",
        "a.b/m",
        "m\x00",
        "ｍ",
        "m\n",
        "x" * 81,
        "m:" + "x" * 81,
        "C:\\m",
    ],
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(ModelNameError, match="invalid model name"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "m:cloud:local",
        "m:local:cloud",
        "M:CLOUD:Local",
        "m:120b-cloud:local",
        "h/n/m:local:cloud",
        "https://h/n/m:cloud:local",
    ],
)
def test_local_and_cloud_exclude_each_other(text):
    with pytest.raises(ModelNameError) as caught:
        parse(text)

    assert str(caught.value) == f'use either :local or :cloud, not both: "{text}"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m:cloud", True),
        ("m:CLOUD", True),
        ("gpt-oss:120b-cloud", True),
        ("h:1/n/m:x-Cloud", True),
        ("m", False),
        ("cloud", False),
        ("m-cloud", False),
        ("m-cloud:latest", False),
        ("m:cloudy", False),
        ("host:5000/cloud/m", False),
    ],
)
def test_names_of_cloud_models_are_told_apart(text, expected):
    assert is_cloud(text) is expected


def test_a_model_whose_own_name_ends_in_cloud_may_be_local():
    assert parse("my-cloud:local").full == "registry.ollama.ai/library/my-cloud:latest"


@given(NAMES)
def test_local_changes_nothing_but_the_place(name):
    if not is_cloud(name.full):
        assert parse(f"{name.full}:local") == name


@given(st.text(alphabet="ab:/.-_@localcloudCLOUD", max_size=40))
def test_whatever_is_read_is_read_back(text):
    try:
        name = parse(text)
    except ModelNameError:
        return

    if name.tag.lower() != "local":
        assert parse(name.full) == name


def test_the_scheme_is_seen():
    assert [scheme_of(text) for text in ("http://h/a/b", "HTTPS://h/a/b", "m")] == [
        "http",
        "https",
        None,
    ]
