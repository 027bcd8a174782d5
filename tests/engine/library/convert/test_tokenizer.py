"""llama.cpp cuts text as the original tokenizer does, whatever files it came in."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.library.convert import convert
from engine.library.convert.charsmap import check_charsmap
from engine.library.convert.pretokenizers import name_of
from engine.library.convert.sentencepiece import BPE, UNIGRAM, read_pieces
from engine.library.convert.vocabulary import Kind, Token, Vocabulary, fitted
from engine.library.gguf import read_header
from tests.engine.library.convert.conftest import HEADS
from tests.engine.library.convert.running import Run
from tests.engine.library.convert.tiny_tokenizers import (
    CHARS,
    CUTS,
    QWEN2,
    TEXTS,
    byte_level,
    charsmap,
    pieces_file,
    spaces_bpe,
    unigram,
)

SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
DEEPSEEK = {
    "type": "Sequence",
    "pretokenizers": [
        {**SPLIT, "pattern": {"Regex": regex}}
        for regex in (
            r"\p{N}{1,3}",
            "[一-龥぀-ゟ゠-ヿ]+",
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^"""
            "\r\n"
            r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+["
            "\r\n"
            r"]*|\s*["
            "\r\n"
            r"]+|\s+(?!\S)|\s+",
        )
    ]
    + [{"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}],
}
BOS_EOS = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}
SPACES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


@pytest.fixture(scope="module")
def converted(make_model, tmp_path_factory):
    """Give a function: tokenizer → running model, its metadata; files may be changed before."""
    runs = []

    def make(tokenizer, *, kind="LlamaForCausalLM", special=None, change=None, **sizes):
        source, _ = make_model(kind, tokenizer, special=special, seed=len(runs), **sizes)
        folder = tmp_path_factory.mktemp("changed")
        shutil.copytree(source, folder, dirs_exist_ok=True)
        if change is not None:
            change(folder)
        convert(folder, folder / "model.gguf")
        runs.append(Run(folder / "model.gguf"))
        return runs[-1], read_header(folder / "model.gguf").metadata

    yield make
    for run in runs:
        run.__exit__()


@pytest.mark.parametrize("name", CUTS)
def test_byte_level_tokenizers_are_known_by_how_they_cut(name, converted):
    tokenizer = byte_level(name)

    run, metadata = converted(tokenizer, special=BOS_EOS, **HEADS)

    assert metadata["tokenizer.ggml.pre"] == name
    for text in TEXTS:
        assert run.tokens(text) == tokenizer.encode(text, add_special_tokens=False).ids, text
    assert run.tokens("Hi", add_special=True) == tokenizer.encode("Hi").ids


def test_special_tokens_are_read_only_where_that_is_wanted(converted):
    tokenizer = byte_level()
    run, metadata = converted(tokenizer, special=BOS_EOS, **HEADS)
    begin, end, call = (
        tokenizer.token_to_id(text) for text in ("<|begin|>", "<|end|>", "<tool_call>")
    )

    assert metadata["tokenizer.ggml.bos_token_id"] == begin
    assert metadata["tokenizer.ggml.eos_token_id"] == end
    types = metadata["tokenizer.ggml.token_type"]
    assert [types[one] for one in (begin, end, call)] == [3, 3, 4]
    assert run.tokens("a<|end|>", parse_special=True)[-1] == end
    assert end not in run.tokens("a<|end|>", parse_special=False)
    assert call in run.tokens("a<tool_call>b", parse_special=False)
    assert run.model.is_end(end)


@pytest.mark.parametrize("adds_bos", [True, False])
def test_a_text_begins_as_the_tokenizer_begins_it(adds_bos, converted):
    tokenizer = byte_level("qwen2", adds_bos=adds_bos)

    run, metadata = converted(tokenizer, special=BOS_EOS, **HEADS)

    assert metadata["tokenizer.ggml.add_bos_token"] is adds_bos
    assert run.tokens("Hi", add_special=True) == tokenizer.encode("Hi").ids


def test_an_unknown_way_of_cutting_is_said_and_becomes_the_default(converted, warnings_of):
    def change(folder):
        path = folder / "tokenizer.json"
        data = json.loads(path.read_text())
        data["pre_tokenizer"] = {"type": "Whitespace"}
        path.write_text(json.dumps(data))

    _, metadata = converted(byte_level(), special=BOS_EOS, change=change, **HEADS)

    assert metadata["tokenizer.ggml.pre"] == "default"
    assert any("no name for this pre_tokenizer" in text for text in warnings_of())


@pytest.mark.parametrize("prefix", [True, False])
def test_tokens_with_marked_spaces_are_cut_alike(prefix, converted, warnings_of):
    tokenizer = spaces_bpe(prefix=prefix)

    run, metadata = converted(tokenizer, special=SPACES, **HEADS)

    assert metadata["tokenizer.ggml.model"] == "llama"
    for text in TEXTS:
        assert run.tokens(text) == tokenizer.encode(text, add_special_tokens=False).ids, text
    assert run.tokens("Hi", add_special=True) == tokenizer.encode("Hi").ids
    assert warnings_of() == []


def test_missing_merges_are_said(converted, warnings_of):
    def change(folder):
        path = folder / "tokenizer.json"
        data = json.loads(path.read_text())
        del data["model"]["merges"][-1]
        path.write_text(json.dumps(data))

    converted(spaces_bpe(), special=SPACES, change=change, **HEADS)

    assert any("merges are missing" in text for text in warnings_of())


def test_a_sentencepiece_file_says_the_same_as_tokenizer_json(converted):
    tokenizer = spaces_bpe()
    ranks = {}
    for rank, pair in enumerate(json.loads(tokenizer.to_str())["model"]["merges"]):
        ranks.setdefault("".join(pair), rank)

    def change(folder):
        (folder / "tokenizer.json").unlink()
        tokens = sorted(tokenizer.get_vocab().items(), key=lambda one: one[1])
        kinds = {"<unk>": 2, "<s>": 3, "</s>": 3}
        pieces = [
            (text, -float(ranks.get(text, 1e6)), kinds.get(text, 6 if text[:3] == "<0x" else 1))
            for text, _ in tokens
        ]
        (folder / "tokenizer.model").write_bytes(pieces_file(pieces, kind=BPE))

    run, metadata = converted(tokenizer, special=SPACES, change=change, **HEADS)

    assert metadata["tokenizer.ggml.add_space_prefix"] is True
    for text in TEXTS:
        assert run.tokens(text) == tokenizer.encode(text, add_special_tokens=False).ids, text


def test_a_unigram_maps_characters_and_counts_as_fairseq_does(make_model, tmp_path):
    tokenizer = unigram()
    entries = json.loads(tokenizer.to_str())["model"]["vocab"]
    special = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    special |= {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
    folder, _ = make_model("XLMRobertaModel", tokenizer, special=special, seed=9, pad_token_id=1)
    convert(folder, tmp_path / "json.gguf")
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(text, score, 1) for text, score in entries[4:]]
    data = pieces_file(pieces, kind=UNIGRAM, chars=charsmap(CHARS))
    (folder / "sentencepiece.bpe.model").write_bytes(data)
    (folder / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    convert(folder, tmp_path / "pieces.gguf")
    (tmp_path / "tokenizer.json").rename(folder / "tokenizer.json")
    (folder / "sentencepiece.bpe.model").unlink()

    for name in ("json.gguf", "pieces.gguf"):
        with Run(tmp_path / name, is_embedding=True) as run:
            for text in TEXTS:
                wanted = tokenizer.encode(text, add_special_tokens=False).ids
                assert run.tokens(text) == wanted, (name, text)


def test_an_unknown_piece_is_found_without_a_config(make_model, tmp_path):
    tokenizer = unigram()
    folder, _ = make_model("XLMRobertaModel", tokenizer, seed=9, pad_token_id=1)
    (folder / "tokenizer_config.json").unlink()
    convert(folder, tmp_path / "model.gguf")

    with Run(tmp_path / "model.gguf", is_embedding=True) as run:
        assert run.tokens("\u0bb9") == tokenizer.encode("\u0bb9", add_special_tokens=False).ids


@pytest.mark.parametrize(
    ("cut", "name"),
    [
        ({**SPLIT, "behavior": "Removed", "invert": True, "pattern": {"Regex": QWEN2}}, "qwen2"),
        ({**SPLIT, "pattern": {"Regex": QWEN2}}, "qwen2"),
        ({**SPLIT, "behavior": "Removed", "pattern": {"Regex": QWEN2}}, None),
        ({**SPLIT, "pattern": {"String": "a"}}, None),
        ({"type": "ByteLevel", "add_prefix_space": True}, None),
        ({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, "no object"]}, "gpt-2"),
        (None, None),
        (DEEPSEEK, "deepseek-v3"),
    ],
)
def test_ways_of_cutting_have_names(cut, name):
    assert name_of(cut, ignores_merges=False) == name


def test_no_two_tokens_and_no_empty_one_reach_llama_cpp():
    tokens = [Token("a"), Token("a"), Token(""), Token("b\0c"), Token("z")]

    found = fitted(Vocabulary("gpt2", tokens, ids={"eos": 4, "pad": 9}), 6)

    assert [token.text for token in found.tokens] == [
        "a", "[UNUSED_1]", "[UNUSED_2]", "[UNUSED_3]", "z", "[PAD5]",
    ]  # fmt: skip
    assert found.tokens[1].kind is Kind.UNUSED
    assert found.ids == {"eos": 4}
    assert "3 tokens" in found.warnings[0]
    assert "without an embedding" in fitted(found, 3).warnings[-1]


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_bytes_that_are_no_sentencepiece_model_are_refused(data):
    try:
        found = read_pieces(data)
    except RequestError:
        return
    assert found.tokens


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_map_of_characters_is_refused_or_stays_within_itself(data):
    whole = bytearray(charsmap({"ﬁ": "fi", "a": "b"}))
    check_charsmap(bytes(whole))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_charsmap(bytes(whole))
    except RequestError:
        return
    _walk(bytes(whole))


def _walk(data):
    """Follow the map as llama.cpp does, from every place that a text can lead to."""
    size = int.from_bytes(data[:4], "little")
    units = [int.from_bytes(data[at : at + 4], "little") for at in range(4, 4 + size, 4)]
    blob = data[4 + size :]

    def base(unit):
        return (unit >> 10) << ((unit & (1 << 9)) >> 6)

    open_places, seen = [base(units[0])], set()
    while open_places:
        place = open_places.pop()
        for byte in range(1, 256):
            node = place ^ byte
            unit = units[node]  # an index outside raises, as llama.cpp throws
            if unit & 0x800000FF != byte or node in seen:
                continue
            seen.add(node)
            below = node ^ base(unit)
            if unit >> 8 & 1:
                assert b"\0" in blob[units[below] & 0x7FFFFFFF :]
            open_places.append(below)
