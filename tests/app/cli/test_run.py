"""`quire run` without a terminal: one answer, or one vector."""

from __future__ import annotations

import base64
import json

import pytest

from app.cli.run import spelled_out


def test_a_prompt_is_answered_once(server, quire):
    done = quire("run", "m", "why", "is", "it?")

    assert done.stdout == "Hello there.\n\n"
    (body,) = server.bodies("/api/generate")
    assert (body["model"], body["prompt"]) == ("m", "why is it?")
    assert "think" not in body


def test_what_is_piped_in_stands_behind_the_prompt(server, quire):
    quire("run", "m", "Sum up:", stdin="a long text\n")

    assert server.bodies("/api/generate")[0]["prompt"] == "Sum up:\n\na long text"


def test_nothing_to_ask_asks_nothing(server, quire):
    assert quire("run", "m").exit_code == 0
    assert server.bodies("/api/generate") == []


def test_flags_become_fields(server, quire):
    quire("run", "m", "--keepalive", "10m", "--format", "json", "--think=high", "hi")

    (body,) = server.bodies("/api/generate")
    assert (body["keep_alive"], body["format"], body["think"]) == ("10m", "json", "high")


def test_a_bare_number_keeps_alive_for_seconds(server, quire):
    quire("run", "m", "--keepalive", "90", "hi")

    assert server.bodies("/api/generate")[0]["keep_alive"] == "90s"


def test_a_schema_is_a_format_too(server, quire):
    quire("run", "m", "--format", '{"type": "object"}', "hi")

    assert server.bodies("/api/generate")[0]["format"] == {"type": "object"}


@pytest.mark.parametrize(
    ("words", "think"),
    [
        (("--think", "hi"), True),
        (("--think=true", "hi"), True),
        (("--think=false", "hi"), False),
        (("hi", "--think"), True),
    ],
)
def test_think_may_stand_alone(server, quire, words, think):
    quire("run", "m", *words)

    (body,) = server.bodies("/api/generate")
    assert (body["think"], body["prompt"]) == (think, "hi")


@pytest.mark.parametrize(
    "words", [("--think=hard",), ("--keepalive", "soon"), ("--format", '{"a":')]
)
def test_wrong_flags_are_refused(quire, words):
    done = quire("run", "m", *words, "hi")

    assert done.exit_code == 2
    assert words[0].partition("=")[0] in done.stderr


def test_what_stands_behind_two_dashes_is_no_flag():
    assert spelled_out(["m", "--think", "--", "--think"]) == ["m", "--think=true", "--", "--think"]


def test_thoughts_are_framed(server, quire):
    server.thinking = ["Hm", "m."]

    assert quire("run", "m", "hi").stdout == (
        "Thinking...\nHmm.\n...done thinking.\n\nHello there.\n\n"
    )


def test_thoughts_can_be_hidden(server, quire):
    server.thinking = ["Hmm."]

    assert quire("run", "m", "--hidethinking", "hi").stdout == "Hello there.\n\n"


def test_timings_are_told_beside_the_answer(quire):
    done = quire("run", "m", "--verbose", "hi")

    assert done.stdout == "Hello there.\n\n"
    assert done.stderr.splitlines() == [
        "total duration:       2.000s",
        "load duration:        0.500s",
        "prompt eval count:    10 token(s)",
        "prompt eval duration: 0.100s",
        "prompt eval rate:     100.00 tokens/s",
        "eval count:           20 token(s)",
        "eval duration:        1.000s",
        "eval rate:            20.00 tokens/s",
    ]


def test_an_embedding_model_prints_numbers(server, quire):
    server.show["capabilities"] = ["embedding"]

    done = quire("run", "e", "--dimensions", "2", "--no-truncate", "text")

    assert json.loads(done.stdout) == [0.5, 0.25]
    assert server.bodies("/api/embed") == [
        {"model": "e", "input": "text", "truncate": False, "dimensions": 2}
    ]


def test_an_embedding_model_needs_a_text(server, quire):
    server.show["capabilities"] = ["embedding"]

    done = quire("run", "e")

    assert done.exit_code == 1
    assert "embedding models require input text" in done.stderr


def test_pictures_are_shown_to_a_model_that_sees(server, quire, tmp_path):
    picture = tmp_path / "my cat.png"
    picture.write_bytes(b"\x89PNG")
    written = str(picture).replace(" ", "\\ ")
    server.show["capabilities"] = ["completion", "vision"]

    quire("run", "m", f"What is in {written} ?")

    (body,) = server.bodies("/api/generate")
    assert body["images"] == [base64.b64encode(b"\x89PNG").decode()]
    assert body["prompt"] == "What is in  ?"


def test_paths_stay_text_for_a_model_that_is_blind(server, quire, tmp_path):
    (tmp_path / "cat.png").write_bytes(b"\x89PNG")

    quire("run", "m", f"Is {tmp_path}/cat.png a name?")

    (body,) = server.bodies("/api/generate")
    assert "images" not in body
    assert "cat.png" in body["prompt"]


def test_a_missing_model_is_pulled_first(server, quire):
    server.missing.add("m")

    quire("run", "m", "hi")

    assert [path for _, path, _ in server.asked] == [
        "/api/show",
        "/api/pull",
        "/api/show",
        "/api/generate",
    ]
