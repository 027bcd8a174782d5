"""Which model does what, decided over lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.machine import GIB, Machine
from app.models import (
    EMBEDDING,
    STARTER_CHAT,
    STARTER_EMBEDDING,
    Bound,
    Pick,
    Wish,
    chat_model_for,
    choose_chat,
    choose_embedding,
    notices_of,
)
from engine.types import ModelDetails, ModelEntry

SMALL = Machine(8 * GIB, 2)


def entry(name, *, digest="sha256:aa", capability="completion", size_bytes=10**9, is_readable=True):
    return ModelEntry(
        name=name,
        digest="00",
        size_bytes=size_bytes,
        modified_at=datetime(2026, 1, 1, tzinfo=UTC),
        details=ModelDetails("llama", "1B", "Q4_0"),
        model_path=Path("blob"),
        model_digest=digest,
        params={},
        template=None,
        system=None,
        messages=(),
        licenses=(),
        capabilities=(capability,),
        is_readable=is_readable,
    )


@pytest.mark.parametrize(
    ("memory_gib", "n_cores", "vram_gib", "expected"),
    [
        (1, 1, 0, "qwen2.5:0.5b"),
        (8, 2, 0, "qwen2.5:0.5b"),
        (4, 8, 0, "qwen2.5:0.5b"),
        (8, 4, 0, "qwen2.5:1.5b"),
        (64, 8, 0, "qwen2.5:1.5b"),
        (64, 16, 0, "qwen2.5:7b"),
        (16, 16, 0, "qwen2.5:1.5b"),
        (8, 2, 4, "qwen2.5:1.5b"),
        (16, 4, 8, "qwen2.5:7b"),
        (128, 32, 80, "qwen2.5:14b"),
    ],
)
def test_the_chat_model_grows_with_the_machine(memory_gib, n_cores, vram_gib, expected):
    machine = Machine(memory_gib * GIB, n_cores, vram_gib * GIB)

    assert chat_model_for(machine) == expected


def test_a_wanted_embedding_model_wins_over_the_librarys():
    wish = Wish(embedding="bge-m3")
    entries = [entry("bge-m3:latest"), entry("all-minilm:latest", digest="sha256:bb")]

    pick = choose_embedding(wish, Bound("all-minilm", "sha256:bb"), entries, can_pull=False)

    assert pick == Pick("bge-m3", "installed")


def test_a_wanted_model_that_cannot_be_had_is_no_starter():
    assert choose_embedding(Wish(embedding="bge-m3"), None, [], can_pull=False).source == "none"
    assert choose_embedding(Wish(embedding="bge-m3"), None, [], can_pull=True).source == "pull"


def test_the_librarys_model_is_found_by_its_bytes_under_another_name():
    entries = [entry("mine:v1", digest="sha256:bb"), entry(EMBEDDING)]

    pick = choose_embedding(Wish(), Bound("gone", "sha256:bb"), entries, can_pull=True)

    assert pick == Pick("mine:v1", "installed")


@pytest.mark.parametrize(
    ("installed", "can_pull", "expected"),
    [
        ([EMBEDDING], False, Pick(EMBEDDING, "installed")),
        ([], True, Pick(EMBEDDING, "pull")),
        ([], False, Pick(STARTER_EMBEDDING, "starter")),
        ([STARTER_EMBEDDING], False, Pick(STARTER_EMBEDDING, "installed")),
        ([STARTER_EMBEDDING], True, Pick(EMBEDDING, "pull")),
    ],
)
def test_a_new_library_takes_the_best_model_to_be_had(installed, can_pull, expected):
    entries = [entry(name, capability="embedding") for name in installed]

    assert choose_embedding(Wish(), None, entries, can_pull=can_pull) == expected


def test_a_library_bound_to_the_starter_stays_with_it():
    bound = Bound(STARTER_EMBEDDING, "sha256:cc")

    assert choose_embedding(Wish(), bound, [], can_pull=True) == Pick(STARTER_EMBEDDING, "starter")


def test_an_unreadable_model_is_not_installed():
    entries = [entry(EMBEDDING, is_readable=False)]

    assert choose_embedding(Wish(), None, entries, can_pull=False).name == STARTER_EMBEDDING


def test_a_chat_model_that_is_here_saves_a_pull():
    starter = entry(STARTER_CHAT, digest="sha256:starter")
    entries = [entry("llama3.2:1b"), entry("huge:70b", size_bytes=40 * GIB), starter]

    assert choose_chat(Wish(), SMALL, entries, can_pull=True) == Pick("llama3.2:1b", "installed")


def test_a_model_made_from_the_starter_is_not_taken_for_a_better_one():
    entries = [entry(STARTER_CHAT), entry("pirate:latest", size_bytes=10**9 + 1)]

    picked = choose_chat(Wish(), SMALL, entries, can_pull=False)

    assert picked == Pick(STARTER_CHAT, "installed")


def test_the_recommended_chat_model_goes_first():
    entries = [entry("llama3.2:1b"), entry("qwen2.5:0.5b")]

    assert choose_chat(Wish(), SMALL, entries, can_pull=False).name == "qwen2.5:0.5b"


def test_without_a_registry_the_starter_answers():
    assert choose_chat(Wish(), SMALL, [], can_pull=False) == Pick(STARTER_CHAT, "starter")


def test_nothing_is_fetched_for_a_chat_that_nobody_needs():
    wish = Wish(is_chat_needed=False)

    assert choose_chat(wish, SMALL, [], can_pull=True) == Pick("", "none")
    assert choose_chat(wish, SMALL, [entry(STARTER_CHAT)], can_pull=False).source == "installed"


def test_notices_name_the_starter_and_the_command_to_better_it():
    texts = notices_of(STARTER_EMBEDDING, STARTER_CHAT, SMALL)

    assert [STARTER_EMBEDDING in texts[0], "quire pull nomic-embed-text" in texts[0]] == [True] * 2
    assert [STARTER_CHAT in texts[1], "quire pull qwen2.5:0.5b" in texts[1]] == [True] * 2
    assert notices_of(EMBEDDING, "qwen2.5:7b", SMALL) == ()
