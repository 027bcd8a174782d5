"""Sample documents are found only where there are some."""

from __future__ import annotations

from app.samples import find_samples


def test_no_folder_means_no_samples(tmp_path):
    assert find_samples(tmp_path) is None


def test_an_empty_folder_means_no_samples(tmp_path):
    (tmp_path / "data/samples").mkdir(parents=True)

    assert find_samples(tmp_path) is None


def test_samples_bring_their_question(tmp_path):
    folder = tmp_path / "data/samples"
    folder.mkdir(parents=True)
    (folder / "a.md").write_text("x")
    (tmp_path / "data/question.txt").write_text("Why?\n")

    samples = find_samples(tmp_path)

    assert (samples.folder, samples.question) == (folder, "Why?")
