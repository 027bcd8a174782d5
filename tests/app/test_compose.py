"""Parts open together, close together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.compose import UPLOAD_PREFIX, bound_model, compose, n_parameters, prepare_models
from app.models import ModelUnavailableError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("134.52M", 134.52e6), ("7.6B", 7.6e9), ("12K", 12e3), ("", 0.0), ("many", 0.0)],
)
def test_sizes_of_models_are_read(text, expected):
    assert n_parameters(text) == pytest.approx(expected)


def test_a_library_remembers_its_model_and_opens_again(server, tmp_path):
    settings = replace(server[1], home=tmp_path / "home")
    with compose(settings, lambda _: None, is_chat_needed=False) as parts:
        job_id = parts.kb.submit("default", [("a.txt", b"Tea is best at 95 degrees.")])
        assert parts.kb.wait(job_id, 60).n_stored == 1
        digest = parts.embedder.digest

    with compose(settings, lambda _: None, is_chat_needed=False) as parts:
        assert parts.kb.collection("default").n_documents == 1
    assert bound_model(settings.home).digest == digest


def test_what_cut_off_uploads_left_is_swept(server, tmp_path):
    settings = replace(server[1], home=tmp_path / "home")
    left = settings.home / f"{UPLOAD_PREFIX}old"
    left.mkdir(parents=True)

    with compose(settings, lambda _: None, is_chat_needed=False):
        assert not left.exists()


def test_a_data_directory_that_is_made_is_its_owner_s_alone(server, tmp_path):
    with compose(replace(server[1], home=tmp_path / "home"), lambda _: None):
        assert (tmp_path / "home").stat().st_mode & 0o077 == 0


def test_a_model_that_cannot_be_had_is_named_with_its_variable(server, tmp_path):
    settings = replace(server[1], home=tmp_path / "home", embed_model="nobody/has:this")

    with (
        pytest.raises(ModelUnavailableError, match=r"QUIRE_EMBED_MODEL='nobody/has:this'.*OFFLINE"),
        compose(settings, lambda _: None),
    ):
        pass


def test_preparing_tells_both_models(server, tmp_path):
    models = prepare_models(replace(server[1], home=tmp_path / "home"), lambda _: None)

    assert (models.embedding, models.chat) == ("all-minilm:latest", "smollm2:135m")
