"""One native object each, on damaged files and tiny models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LoadError
from engine.runtime.llama import Model
from engine.types import Options
from tests.engine.runtime.conftest import say


def test_a_refused_file_quotes_what_llama_cpp_said(tmp_path):
    path = tmp_path / "wrong.gguf"
    path.write_bytes(b"GGUX" * 100)

    with pytest.raises(LoadError, match="invalid magic characters"):
        Model(path, Options())


def test_an_adapter_changes_what_is_said(tiny_chat, load, tiny):
    adapted = load("chat.gguf", adapters=(tiny / "lora.gguf",))
    twice = load("chat.gguf", adapters=(tiny / "lora.gguf", tiny / "lora.gguf"))

    texts = {say(one, "Hello").text for one in (tiny_chat, adapted, twice)}

    assert len(texts) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other-lora.gguf", "cannot apply this adapter to the model: .*incorrect shape"),
        ("chat.gguf", "cannot apply this adapter to the model: .*general.type"),
        ("missing.gguf", "cannot apply this adapter to the model"),
    ],
)
def test_an_adapter_of_another_model_is_refused_with_the_reason(load, tiny, name, message):
    with pytest.raises(LoadError, match=f"{name}: .*{message}"):
        load("chat.gguf", adapters=(tiny / name,))


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="▁"), max_size=40))
def test_tokens_turn_back_into_their_text(tiny_chat, text):
    model = tiny_chat.model

    tokens = model.tokenize(text, add_special=False, parse_special=False)

    assert model.detokenize(tokens).removeprefix(" ") == text.removeprefix(" ")


def test_sizes_are_what_llama_cpp_reserves(tiny_chat, tiny):
    weights = (tiny / "chat.gguf").stat().st_size

    assert weights / 2 < tiny_chat.size_bytes < 100 * weights
    assert tiny_chat.size_vram_bytes == 0
