"""Which model a restored library misses, and what gets it."""

import errno
import hashlib
from pathlib import Path

import pytest

from app.backup.errors import BackupError
from app.backup.manifest import ModelUse
from app.backup.models import files_in, installed_in, judge_models
from app.backup.put import restore
from app.backup.take import Backup, Wanted
from engine.library.store import Library
from tests.app.backup.conftest import fill, stream

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
HERE = {"registry.ollama.ai/library/bge-m3:latest": OLD}


@pytest.mark.parametrize(
    ("name", "digest", "role", "said"),
    [
        ("bge-m3", OLD, "embedding", ""),
        ("BGE-M3:latest", OLD, "chat", ""),
        ("bge-m3", "", "reranker", ""),
        ("bge-m3", NEW, "embedding", "quire migrate --to bge-m3"),
        ("bge-m3", NEW, "chat", "answers may differ; `quire pull bge-m3`"),
        ("qwen3:4b", NEW, "chat", "not installed (bbbbbbbbbbbb): run `quire pull qwen3:4b`"),
        ("/a folder/x", "", "reranker", "not installed (digest not known)"),
    ],
)
def test_a_model_that_is_missing_or_another_is_named_with_its_cure(name, digest, role, said):
    found = judge_models([ModelUse(name, digest, role)], HERE)

    assert (said in found[0]) if said else not found


def test_weights_go_into_the_archive_when_asked_for_and_come_out_whole(tmp_path, starter_models):
    home, library = tmp_path / "home", Library(starter_models)
    fill(home)
    digest = installed_in(library)["registry.ollama.ai/library/all-minilm:latest"]
    use = ModelUse("all-minilm", digest, "chat")
    files_of = files_in(library, [starter_models])

    def of(one):
        return files_of(one) if one == use else []

    with Backup(home, Wanted((use,), of)) as backup:
        assert backup.manifest.has_models
        data = b"".join(backup.stream())
    restore(stream(data), tmp_path / "new")

    assert installed_in(Library(tmp_path / "new" / "models")) == {
        "registry.ollama.ai/library/all-minilm:latest": digest
    }
    assert judge_models([use], installed_in(Library(tmp_path / "new" / "models"))) == []


def test_weights_come_to_a_models_folder_on_another_disk(home, tmp_path, monkeypatch):
    """As in a cluster, where models have a volume of their own."""
    data, weights = b"weights", tmp_path / "weights"
    digest = hashlib.sha256(data).hexdigest()
    weights.write_bytes(data)
    use = ModelUse("all-minilm", digest, "chat")
    name = f"models/blobs/sha256-{digest}"

    with Backup(
        home, Wanted((use,), lambda one: [(name, weights)] if one == use else [])
    ) as backup:
        archive = b"".join(backup.stream())
    models = tmp_path / "new" / "models"
    models.mkdir(parents=True)
    rename = Path.rename

    def crossing(self, target):
        if (models in self.parents) != (models in Path(target).parents):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", crossing)
    monkeypatch.setattr("app.backup.swap.is_mount", lambda path: path == models)
    done = restore(stream(archive), tmp_path / "new")

    assert done.beside == {}
    assert [one.name for one in (models / "blobs").iterdir()] == [f"sha256-{digest}"]
    assert (tmp_path / "new" / name).read_bytes() == data
    assert not (tmp_path / "new" / "restoring.json").exists()


def test_weights_that_are_not_there_are_told(tmp_path):
    fill(tmp_path / "home")
    files_of = files_in(Library(tmp_path / "none"), [tmp_path / "none"])

    with pytest.raises(BackupError, match="embedding model bag:latest.*leave --with-models away"):
        Backup(tmp_path / "home", Wanted((), files_of))
    assert not list((tmp_path / "home").glob("backup-*/"))
