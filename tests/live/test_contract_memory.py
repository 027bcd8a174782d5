"""Ollama's contract on a real server: keep_alive, options, what is loaded (sections 6, 7, 13)."""

from datetime import UTC, datetime

import httpx
import pytest

from engine.types import Options
from tests.engine.runtime.tiny_models import picture, write_chat, write_projector
from tests.live.clients import CHAT, EMBED
from tests.live.contract import GREEDY, encoded, make, make_from_files, refusal, upload

TINY, SEER, ALIAS, STOPPER = "tiny:latest", "seer:latest", "alias:latest", "stopper:latest"
CENTURY_S = 100 * 365 * 86400


@pytest.fixture(scope="module")
def api(client_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    model, eye = write_chat(folder / "tiny.gguf"), write_projector(folder / "mmproj.gguf")
    with httpx.Client(base_url=client_server, timeout=60) as client:
        make_from_files(client, TINY, model)
        make_from_files(client, SEER, model, eye)
        client.post("/api/copy", json={"source": TINY, "destination": ALIAS})
        make(client, STOPPER, **{"from": TINY}, parameters={"stop": ["a", "b"], "num_predict": 3})
        yield client


@pytest.fixture(autouse=True)
def _nothing_small_is_loaded(api):
    for name in (TINY, SEER):
        api.post("/api/generate", json={"model": name, "keep_alive": 0})


def load(api, name=TINY, **more):
    return api.post("/api/generate", json={"model": name, "stream": False} | more)


def running(api):
    return api.get("/api/ps").json()["models"]


def the_one(api, name=TINY):
    (found,) = (one for one in running(api) if one["name"] == name)
    return found


def stays_s(one):
    return (datetime.fromisoformat(one["expires_at"]) - datetime.now(UTC)).total_seconds()


# keep_alive.


@pytest.mark.parametrize(
    ("given", "expected_s"),
    [(90, 90), (90.5, 90.5), ("10m", 600), ("1h30m", 5400), (None, CENTURY_S), (-1, CENTURY_S),
     (-0.5, CENTURY_S), ("-1m", CENTURY_S)],
)  # fmt: skip
def test_a_model_stays_as_long_as_it_was_told(api, given, expected_s):
    load(api, keep_alive=given)

    left_s = stays_s(the_one(api))
    if expected_s == CENTURY_S:
        assert left_s > CENTURY_S
    else:
        assert expected_s - 20 < left_s <= expected_s


@pytest.mark.parametrize("given", [0, 0.0, "0", "0s"])
def test_zero_unloads_at_once(api, given):
    load(api)
    assert the_one(api)

    load(api, prompt="a", raw=True, keep_alive=given, options={"num_predict": 1})

    assert TINY not in {one["name"] for one in running(api)}


def test_the_last_request_decides(api):
    load(api, keep_alive=-1)
    load(api, prompt="a", raw=True, keep_alive="5m", options={"num_predict": 1})

    assert 200 < stays_s(the_one(api)) <= 300


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("42", 'time: missing unit in duration "42"'),
        ("", 'time: invalid duration ""'),
        ("soon", 'time: invalid duration "soon"'),
        (True, "invalid keep_alive true: send seconds or a duration such as 10m"),
        ([1], "invalid keep_alive [1]: send seconds or a duration such as 10m"),
    ],
)
def test_what_is_no_duration_is_refused(api, given, text):
    for path in ("generate", "chat", "embed", "embeddings"):
        reply = api.post(f"/api/{path}", json={"model": EMBED, "keep_alive": given})
        assert refusal(reply) == (400, text)


def test_the_v1_routes_may_set_it_too(api):
    """Quire's own: Ollama's cannot."""
    body = {"model": TINY, "prompt": "a", "max_tokens": 1, "keep_alive": "5m"}

    assert api.post("/v1/completions", json=body).status_code == 200

    assert 200 < stays_s(the_one(api)) <= 300


# Options.


def test_the_defaults_are_ollamas():
    own, expected = Options(), {
        "num_keep": 4, "seed": -1, "num_predict": -1, "top_k": 40, "top_p": 0.9, "min_p": 0.0,
        "typical_p": 1.0, "repeat_last_n": 64, "temperature": 0.8, "repeat_penalty": 1.0,
        "presence_penalty": 0.0, "frequency_penalty": 0.0, "stop": (), "num_batch": 512,
        "num_gpu": -1, "num_thread": 0,
    }  # fmt: skip

    assert {name: getattr(own, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_ctx": "big"}, 'option "num_ctx" must be of type integer'),
        ({"use_mmap": 1}, 'option "use_mmap" must be of type boolean'),
        ({"temperature": "hot"}, 'option "temperature" must be of type float32'),
        ({"stop": 3}, 'option "stop" must be of type array'),
        ({"stop": ["a", 3]}, 'option "stop" must be of an array of strings'),
    ],
)
def test_an_option_of_the_wrong_type_is_an_error_of_the_server(api, options, text):
    assert refusal(load(api, prompt="x", options=options)) == (500, text)
    assert refusal(load(api, prompt="x", stream=True, options=options)) == (500, text)


OLD = ("mirostat_tau", "mirostat_eta", "tfs_z", "penalize_newline", "numa", "low_vram", "f16_kv",
       "vocab_only", "use_mlock", "logits_all", "embedding_only")  # fmt: skip


def test_what_is_unknown_old_or_null_changes_nothing(api):
    asked = {"prompt": "One two", "raw": True}
    odd = {"bogus": [1], "seed": None, "num_predict": 4.9, "draft_num_predict": 2}
    flags = {name: 1 if name.startswith(("mirostat", "tfs")) else False for name in OLD}

    plain = load(api, CHAT, **asked, options={"temperature": 0, "num_predict": 4}).json()
    odd = load(api, CHAT, **asked, options={"temperature": 0} | flags | odd).json()

    assert (odd["response"], odd["eval_count"]) == (plain["response"], 4)


def test_a_request_goes_before_the_model_and_stop_is_replaced(api):
    asked = {"prompt": "x", "raw": True, "logprobs": True}
    fixed = {"temperature": 0, "ignore_eos": True}
    shown = api.post("/api/show", json={"model": STOPPER}).json()["parameters"]

    own = load(api, STOPPER, **asked, options=fixed | {"stop": ["\x00"]}).json()
    asked_for = load(api, STOPPER, **asked, options=fixed | {"num_predict": 2, "stop": []}).json()

    assert f'{"stop":<30} "a"\n{"stop":<30} "b"' in shown
    assert (own["eval_count"], asked_for["eval_count"]) == (3, 2)


def test_the_same_seed_says_the_same(api):
    options = {"seed": 5, "temperature": 1.5, "num_predict": 12, "ignore_eos": True}
    asked = {"prompt": "a", "raw": True}

    def said(**more):
        return load(api, **asked, options=options | more).json()["response"]

    assert said() == said() != said(seed=6)


@pytest.mark.parametrize(("wanted", "given"), [(1, 4), (100, 100), (10**6, 4096), (0, 2048)])
def test_the_context_is_at_least_four_and_at_most_what_was_trained(api, wanted, given):
    load(api, options={"num_ctx": wanted})

    assert the_one(api)["context_length"] == given


def test_a_model_that_sees_has_room_for_a_picture(api):
    load(api, SEER, options={"num_ctx": 8})

    assert the_one(api, SEER)["context_length"] == 2048


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_counted_and_answered(api, kind):
    asked = {"prompt": "What is this?", "options": {"num_predict": 2, "ignore_eos": True}}

    blind = load(api, SEER, **asked).json()
    seeing = load(api, SEER, **asked, images=[encoded(picture(kind))]).json()

    assert seeing["eval_count"] == 2
    assert seeing["prompt_eval_count"] > blind["prompt_eval_count"]


# What is loaded.


def test_running_models_are_described(api):
    load(api, keep_alive=600)
    found = the_one(api)

    assert set(found) == {"name", "model", "size", "digest", "details", "expires_at", "size_vram",
                          "context_length"}  # fmt: skip
    (listed,) = (one for one in api.get("/api/tags").json()["models"] if one["name"] == TINY)
    assert (found["model"], found["digest"]) == (TINY, listed["digest"])
    assert set(found["details"]) == {"parent_model", "format", "family", "families",
                                     "parameter_size", "quantization_level"}  # fmt: skip
    assert found["details"]["format"] == "gguf"
    assert 0 <= found["size_vram"] <= found["size"]
    assert len(found["digest"]) == 64
    assert len(found["expires_at"].split(".")[1]) == len("123456+00:00")


def test_the_longest_stay_comes_first(api):
    load(api, keep_alive=600)
    load(api, SEER, keep_alive=1200)

    ends = [stays_s(one) for one in running(api)]
    assert ends == sorted(ends, reverse=True)
    names = [one["name"] for one in running(api)]
    assert names.index(SEER) < names.index(TINY)


def test_two_names_of_one_file_share_what_is_loaded(api):
    load(api)
    before = len(running(api))

    assert load(api, ALIAS, prompt="a", raw=True, options=GREEDY).status_code == 200

    assert len(running(api)) == before


def test_runtime_options_reload_nothing_and_load_options_do(api):
    load(api, options={"num_ctx": 64})
    sampled = load(api, prompt="a", raw=True, options={"num_ctx": 64, "top_k": 3, "num_predict": 1})
    lengths = {one["context_length"] for one in running(api) if one["name"] == TINY}
    load(api, options={"num_ctx": 128})
    more = {one["context_length"] for one in running(api) if one["name"] == TINY}

    assert sampled.status_code == 200
    assert lengths == {64}
    # Quire's own: the other one stays until its time is over or room is needed.
    assert more == {64, 128}


def test_a_model_that_is_deleted_answers_on_until_it_leaves(api):
    make(api, "fleeting", **{"from": TINY})
    load(api, "fleeting")
    before = len(running(api))

    deleted = api.request("DELETE", "/api/delete", json={"model": "fleeting"})

    assert deleted.status_code == 200
    assert len(running(api)) == before
    assert refusal(load(api, "fleeting")) == (404, "model 'fleeting' not found")


def test_a_file_that_cannot_be_loaded_is_an_error_and_the_rest_goes_on(api, tmp_path):
    whole = write_chat(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "half.gguf").write_bytes(whole[: len(whole) // 2])
    digest = upload(api, tmp_path / "half.gguf")
    body = {"model": "half", "files": {"half.gguf": digest}, "stream": False}
    created = api.post("/api/create", json=body)

    status = created.status_code if created.status_code != 200 else load(api, "half").status_code

    assert status in (400, 500)
    assert load(api).status_code == 200
