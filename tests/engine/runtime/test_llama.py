"""One native object each, on damaged files and tiny models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LoadError, RuntimeFailedError
from engine.runtime.llama import Model
from engine.types import Options
from tests.engine.runtime.conftest import generation, say


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

    (main,) = tiny_chat.memory
    assert main.device == "CPU"
    assert weights / 2 < main.weights_bytes < 2 * weights
    cache = 2 * 256 * 2 * 2 * 32 * 2  # slots, tokens, k and v, layers, values, f16
    assert main.cache_bytes == pytest.approx(cache, abs=10_500)  # said in hundredths of a MiB
    assert main.compute_bytes > 0


def test_a_step_that_llama_cpp_refuses_ends_only_the_request_that_is_to_blame(load):
    runner = load("chat.gguf")
    expected = say(runner, "Hello", limit=60).text
    stream = runner.worker.stream(generation(runner, "Hello", limit=60))
    events = [next(stream)]
    bad = generation(runner, "Bad")
    bad.prompt = [1, 5, runner.model.n_vocab + 7]

    with pytest.raises(RuntimeFailedError, match=r"refuses the step's tokens \(llama_decode .* -1"):
        list(runner.worker.stream(bad))
    events += stream

    assert "".join(one.text for one in events[:-1]) == expected
    assert runner.worker.stats().n_failed == 1
