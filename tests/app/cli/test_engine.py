"""Ollama's verbs: what they ask the server for, what they print."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.client import ServerError

NOW = datetime.now(UTC)
DIGEST = "0123456789abcdef" * 4


def model(name, size=4_661_224_676, **more):
    then = (NOW - timedelta(days=3)).isoformat()
    return {"name": name, "digest": DIGEST, "size": size, "modified_at": then, **more}


def test_list_is_a_table(server, quire):
    server.tags = [model("llama3.2:latest"), model("me/m:v1", size=815_319_791)]

    lines = quire("list").stdout.splitlines()

    assert lines == [
        "NAME               ID              SIZE      MODIFIED",
        "llama3.2:latest    0123456789ab    4.7 GB    3 days ago",
        "me/m:v1            0123456789ab    815 MB    3 days ago",
    ]
    assert quire("ls").stdout.splitlines() == lines


def test_list_takes_a_prefix_in_any_case(server, quire):
    server.tags = [model("Llama:1"), model("qwen:1")]

    assert [line.split()[0] for line in quire("list", "LLA").stdout.splitlines()[1:]] == ["Llama:1"]


def test_ps_is_a_table_whose_prefix_minds_the_case(server, quire):
    ends = (datetime.now(UTC) + timedelta(minutes=4, seconds=30)).isoformat()
    loaded = {"size_vram": 0, "context_length": 4096, "expires_at": ends}
    server.ps = [model("llama:1", size=100, **loaded), model("Llama:2", size=100, **loaded)]

    lines = quire("ps", "lla").stdout.splitlines()

    assert lines[0].split() == ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    assert len(lines) == 2
    assert lines[1].split("    ")[:1] == ["llama:1"]
    assert lines[1].endswith("100% CPU     4096       4 minutes from now")


def test_show_lays_a_model_out(quire):
    assert quire("show", "m").stdout.splitlines() == [
        "  Model",
        "    architecture        llama",
        "    parameters          7.6B",
        "    context length      4096",
        "    embedding length    512",
        "    quantization        Q4_K_M",
        "    requires            0.14.0",
        "",
        "  Capabilities",
        "    completion",
        "    tools",
        "",
        "  Parameters",
        '    stop           "<end>"',
        "    temperature    0.5",
        "",
        "  System",
        "    Be brief.",
        "",
        "  License",
        "    line one",
        "    line two",
        "    ...",
        "",
    ]


def test_show_tells_more_when_asked(server, quire):
    server.show["projector_info"] = {
        "general.architecture": "clip",
        "general.parameter_count": 300_000_000,
        "clip.vision.embedding_length": 1024,
        "clip.vision.projection_dim": 768,
    }

    lines = quire("show", "-v", "m").stdout.splitlines()

    assert server.bodies("/api/show") == [{"model": "m", "verbose": True}]
    at = lines.index("  Projector")
    assert lines[at + 1 : at + 5] == [
        "    architecture        clip",
        "    parameters          300.00M",
        "    embedding length    1024",
        "    dimensions          768",
    ]
    assert "    tokenizer.ggml.tokens      [a b cc ...+3 more]" in lines
    assert "    token_embd.weight    F16    [8 4]" in lines


@pytest.mark.parametrize("part", ["license", "modelfile", "parameters", "system", "template"])
def test_show_prints_one_part(server, quire, part):
    assert quire("show", "m", f"--{part}").stdout.rstrip("\n") == server.show[part].rstrip("\n")


@pytest.mark.parametrize("verb", ["pull", "push"])
def test_progress_in_a_pipe_is_plain_lines(server, quire, verb):
    blob = {"status": "pulling aaaaaaaaaaaa", "digest": "sha256:a", "total": 2_000_000}
    server.steps = [
        {"status": "pulling manifest"},
        *(blob | {"completed": done * 20_000} for done in range(101)),
        {"status": "success"},
    ]

    done = quire(verb, "m", "--insecure")

    assert server.bodies(f"/api/{verb}") == [{"model": "m", "insecure": True}]
    lines = done.stderr.splitlines()
    assert (lines[0], lines[-1]) == ("pulling manifest", "success")
    assert lines[1] == "pulling aaaaaaaaaaaa: 0% of 2 MB"
    assert lines[-2] == "pulling aaaaaaaaaaaa: 100% of 2 MB"
    assert len(lines) == 13
    assert "\x1b" not in done.stderr


def test_a_failing_pull_fails(server, quire):
    server.steps = [{"status": "pulling manifest"}, {"error": "file does not exist"}]

    done = quire("pull", "m")

    assert isinstance(done.exception, ServerError)
    assert str(done.exception) == "file does not exist"


def test_cp_says_what_it_did(server, quire):
    assert quire("cp", "a", "b").stdout == "copied 'a' to 'b'\n"
    assert server.bodies("/api/copy") == [{"source": "a", "destination": "b"}]


def test_rm_unloads_before_it_deletes(server, quire):
    done = quire("rm", "a", "b")

    assert done.stdout == "deleted 'a'\ndeleted 'b'\n"
    assert [(path, body["model"]) for _, path, body in server.asked] == [
        ("/api/generate", "a"),
        ("/api/delete", "a"),
        ("/api/generate", "b"),
        ("/api/delete", "b"),
    ]
    assert server.bodies("/api/generate")[0]["keep_alive"] == 0


def test_rm_of_nothing_is_an_error(server, quire):
    server.missing.add("x")

    assert str(quire("rm", "x").exception) == "model 'x' not found"


def test_stop_unloads(server, quire):
    assert quire("stop", "m").exit_code == 0
    assert server.bodies("/api/generate") == [{"model": "m", "keep_alive": 0, "stream": False}]


def test_stop_of_nothing_says_so(server, quire):
    server.missing.add("x")

    done = quire("stop", "x")

    assert (done.exit_code, done.stderr) == (1, 'error: couldn\'t find model "x" to stop\n')


def test_the_version_is_told_with_that_of_another_server(server, quire):
    lines = quire("--version").stdout.splitlines()

    assert lines[0].startswith("quire version is ")
    assert lines[1] == "Warning: the server's version is 0"
