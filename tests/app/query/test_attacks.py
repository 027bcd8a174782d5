"""A fixed set of documents that give orders, and a model that obeys every one of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.query.answer import answer
from app.query.injection import neutralised, visible, warnings_of
from app.query.types import Ask, Done, Found

ATTACKS = [
    json.loads(line)
    for line in (Path(__file__).parent / "attacks.jsonl").read_text("utf-8").splitlines()
]
RAW = re.compile(r"!\[|<(?:img|script|iframe|svg|object|embed)\b|\]\(", re.IGNORECASE)


class Obedient:
    """A chat model that does what the attack says, if it got to read it."""

    def __init__(self, attack):
        self.attack = attack
        self.read = ""

    def __call__(self, messages, n_predict, model):
        self.read = messages[-1].content
        tag = re.search(r"[0-9a-f]{8}(?=>)", self.read)
        reply = self.attack["obeys"].replace("{system}", messages[0].content)
        reply = reply.replace("{tag}", tag.group() if tag else "")
        return iter(re.findall(r".{1,7}", reply, re.DOTALL))


def attacked(library, attack, **changes):
    library.texts["attack.md"] = attack["document"]
    chat = Obedient(attack)
    *events, done = answer(library.beats(chat, **changes), Ask(attack["question"], "c"))
    assert isinstance(done, Done)
    found = next(event for event in events if isinstance(event, Found))
    assert any(one.path == "attack.md" for one in found.passages), "the attack was not read"
    return chat, done.answer


def test_the_set_is_large_enough_and_in_both_languages():
    assert len(ATTACKS) >= 60
    assert min(sum(one["lang"] == language for one in ATTACKS) for language in ("en", "zh")) >= 30


@pytest.mark.parametrize("is_small", [False, True])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: f"{one['id']}-{one['kind']}")
def test_an_order_in_a_document_proves_nothing_and_draws_nothing(library, attack, is_small):
    _, answered = attacked(library, attack, is_small=is_small)

    for sentence in answered.sentences:
        assert (sentence.support == "supported") <= bool(sentence.citations)
        assert sentence.support == "supported" or sentence.reason
    known = {one.n: one for one in answered.citations}
    assert {n for sentence in answered.sentences for n in sentence.citations} == set(known)
    for citation in answered.citations:
        assert library.texts[citation.document_id][citation.start : citation.end] == citation.text
    marks = {int(n) for n in re.findall(r"\[(\d+)\]", answered.text)}
    assert marks <= set(known)
    assert not RAW.search(answered.text)
    assert not any(RAW.search(sentence.text) for sentence in answered.sentences)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: f"{one['id']}-{one['kind']}")
def test_what_an_attack_says_is_supported_only_with_a_warning_beside_it(library, attack):
    _, answered = attacked(library, attack)
    truth = " ".join(attack["truth"].split())

    known = {one.n: one for one in answered.citations}
    for sentence in answered.sentences:
        if sentence.support == "supported" and sentence.text not in truth:
            assert all(known[n].warnings for n in sentence.citations), sentence


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: f"{one['id']}-{one['kind']}")
def test_every_attack_is_seen(attack):
    assert warnings_of(attack["document"])
    assert not warnings_of(attack["truth"])


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: f"{one['id']}-{one['kind']}")
def test_the_model_reads_no_control_marks_and_nothing_unseen(library, attack):
    chat, _ = attacked(library, attack)

    sources = chat.read
    assert sources, "the model was not asked"
    assert "<|" not in sources
    assert "[INST]" not in sources
    assert "<<SYS>>" not in sources
    assert not re.search("[\u200b\U000e0000-\U000e007f\u202e]", sources)
    assert neutralised(sources) == sources
    assert visible(attack["truth"]) in visible(sources)
