"""Embeddings and scores are those of transformers and sentence-transformers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from engine.errors import RequestError
from engine.library.convert import convert
from engine.library.gguf import read_header
from engine.library.starters import find_starter_files
from tests.engine.library.convert.running import Run
from tests.engine.library.convert.tiny_tokenizers import (
    CORPUS,
    byte_level,
    unigram,
    wordpiece,
)

BERT = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
ROBERTA = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
IDS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
# llama.cpp takes Hangul apart only halfway where accents are stripped, so no Korean.
TEXTS = [text.strip() for text in CORPUS if "모델은" not in text]
EMBEDDERS = {
    "bert": ("BertModel", wordpiece, BERT, {}),
    "xlm-roberta": ("XLMRobertaModel", unigram, ROBERTA, IDS),
    "roberta": ("RobertaModel", unigram, ROBERTA, IDS),
    "nomic-bert": ("NomicBertModel", wordpiece, BERT, {"type_vocab_size": 2}),
}
MINILM_TEXTS = (  # lowest cosines of the three types: measured, see `_PRECISE` in encoder.py
    "The cat sat on the mat.|A quick brown fox jumps over the lazy dog.|How do I reset my password?"
    "|Retrieval-augmented generation combines search with language models.|hello"
    "|The mitochondrion is the powerhouse of the cell.|In 1969, humans first walked on the Moon."
    "|Please find attached the invoice for March 2024.|def add(a, b): return a + b"
    "|The stock market fell by 3.2% on Tuesday.|She sells sea shells by the sea shore."
    "|What is the capital of France?|Quantum computers use qubits instead of bits."
    "|The recipe needs two eggs, flour, sugar and butter.|Error 404: page not found"
    "|Climate change affects sea levels around the world.|It rained all day, so we played chess."
    "|Our office is closed on public holidays.|To be, or not to be, that is the question."
    "|The contract may be terminated with thirty days' notice.|Water boils at 100 degrees Celsius."
    "|Install the package with pip and run the tests.|The patient shows symptoms of influenza."
    "|A vector database stores embeddings and finds neighbours.|Neural networks learn by descent."
    "|He was born in Vienna and studied medicine in Paris.|The committee approved the budget."
    "|Could you recommend a good book about history?|Photosynthesis converts light into energy."
    "|The train to Berlin leaves at 7:45 from platform 3.|My favourite colour is blue."
    "|The Great Wall of China is visible from low orbit only under good conditions."
    "|Interest rates were raised by the central bank in order to fight inflation."
    "|The guide explains how to configure the server, the client and the database, and what to do "
    "if the connection fails or the certificate has expired."
).split("|")


@pytest.fixture(params=EMBEDDERS, scope="module")
def embedder(request, make_model, tmp_path_factory):
    kind, make_tokenizer, special, settings = EMBEDDERS[request.param]
    tokenizer = make_tokenizer()
    folder, model = make_model(kind, tokenizer, special=special, **settings)
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    convert(folder, path, file_type="f32")
    with Run(path, is_embedding=True) as run:
        yield model, tokenizer, run


def test_texts_become_the_same_tokens_with_the_same_ends(embedder):
    _, tokenizer, run = embedder

    for text in TEXTS:
        assert run.tokens(text, add_special=True) == tokenizer.encode(text).ids


def test_vectors_are_the_mean_of_those_of_transformers(embedder):
    model, tokenizer, run = embedder

    for text in TEXTS:
        tokens = tokenizer.encode(text).ids
        with torch.no_grad():
            wanted = model(torch.tensor([tokens])).last_hidden_state[0].mean(0).numpy()
        assert run.vector(tokens) @ wanted / np.linalg.norm(wanted) > 0.9999


@pytest.mark.parametrize(
    ("kind", "make_tokenizer", "special", "settings"),
    [
        ("BertForSequenceClassification", wordpiece, BERT, {}),
        ("XLMRobertaForSequenceClassification", unigram, ROBERTA, IDS),
    ],
)
def test_a_reranker_scores_as_in_transformers(
    kind, make_tokenizer, special, settings, make_model, tmp_path, warnings_of
):
    tokenizer = make_tokenizer()
    folder, model = make_model(kind, tokenizer, special=special, num_labels=1, **settings)
    convert(folder, tmp_path / "model.gguf", file_type="f32")

    with Run(tmp_path / "model.gguf", is_embedding=True) as run:
        for text in TEXTS[1:5]:
            tokens = tokenizer.encode("What finds documents?", text).ids
            with torch.no_grad():  # llama.cpp gives both texts the type 0
                wanted = model(torch.tensor([tokens])).logits.item()
            assert run.score(tokens) == pytest.approx(wanted, abs=0.01)
    assert any("no text of a pair" in text for text in warnings_of()) == (special is BERT)


def test_a_classifier_is_no_reranker(make_model, tmp_path):
    folder, _ = make_model("BertForSequenceClassification", wordpiece(), special=BERT, num_labels=3)

    with pytest.raises(RequestError, match="sorts texts into 3 classes"):
        convert(folder, tmp_path / "model.gguf")


def test_roberta_with_byte_level_tokens_adds_both_ends(make_model, tmp_path):
    tokenizer = byte_level("gpt-2", "<s>", "</s>")
    from tokenizers.processors import RobertaProcessing

    tokenizer.post_processor = RobertaProcessing(("</s>", 1), ("<s>", 0))
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<s>"}
    folder, _ = make_model("RobertaModel", tokenizer, special=special, seed=3, **IDS)
    convert(folder, tmp_path / "model.gguf")

    with Run(tmp_path / "model.gguf", is_embedding=True) as run:
        for text in TEXTS:
            assert run.tokens(text, add_special=True) == tokenizer.encode(text).ids


def test_nomic_bert_with_experts_is_refused(make_model, tmp_path):
    folder, _ = make_model("NomicBertModel", wordpiece(), special=BERT, type_vocab_size=2)
    config = json.loads((folder / "config.json").read_text())
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).symlink_to(path)
    (copy / "config.json").unlink()
    (copy / "config.json").write_text(json.dumps({**config, "moe_every_n_layers": 2}))

    with pytest.raises(RequestError, match="mixtures of experts"):
        convert(copy, tmp_path / "model.gguf")


@pytest.fixture(scope="module")
def minilm():
    files = find_starter_files()
    if files is None:
        pytest.skip("the starter packages are not installed")
    from sentence_transformers import SentenceTransformer

    folder = files.embedding_folder
    model = SentenceTransformer(str(folder), device="cpu")
    return folder, model.encode(MINILM_TEXTS, normalize_embeddings=True)


@pytest.mark.parametrize(
    ("file_type", "cosine"), [("f32", 0.9999), ("f16", 0.9999), ("bf16", 0.9995), ("q8_0", 0.999)]
)
def test_all_minilm_embeds_as_sentence_transformers_does(minilm, file_type, cosine, tmp_path):
    folder, wanted = minilm
    convert(folder, tmp_path / "model.gguf", file_type=file_type)

    with Run(tmp_path / "model.gguf", is_embedding=True) as run:
        found = [run.vector(run.tokens(text, add_special=True)) for text in MINILM_TEXTS]

    assert min((np.array(found) * wanted).sum(axis=1)) >= cosine
    assert read_header(tmp_path / "model.gguf", max_items=0).file_type_name == file_type.upper()
