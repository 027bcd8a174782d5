import pytest

from ingest.originals import Originals, is_shown_in_pages

PDF = b"%PDF-1.4 a file"


@pytest.fixture
def stored():
    """The digests that the catalogue knows; a test changes them."""
    return set()


@pytest.fixture
def originals(tmp_path, stored):
    return Originals(tmp_path / "originals", lambda asked: stored & set(asked))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "staged"
    path.write_bytes(PDF)
    return path


def digest_of(path):
    from ingest.folders import digest_of

    return digest_of(path)


def held(originals):
    return sorted(one.name for one in originals._folder.glob("*/*"))


def test_a_file_is_kept_under_its_digest_and_outlives_its_source(originals, source, stored):
    digest = digest_of(source)
    stored.add(digest)
    originals.keep(source)
    source.unlink()

    assert originals.path(digest).read_bytes() == PDF
    assert originals.path(digest).parent.name == digest[:2]
    assert originals.size() == (1, len(PDF))


@pytest.mark.parametrize(
    ("head", "is_kept"),
    [
        (b"%PDF-1.7", True),
        (b"junk before %PDF-1.7", True),
        (b"\x89PNG\r\n\x1a\n", True),
        (b"\xff\xd8\xff\xe0", True),
        (b"RIFF\0\0\0\0WEBPVP8 ", True),
        (b"# Markdown", False),
        (b"PK\3\4", False),
        (b"", False),
    ],
)
def test_only_what_has_pages_to_look_at_is_kept(tmp_path, head, is_kept):
    path = tmp_path / "file"
    path.write_bytes(head)

    assert is_shown_in_pages(path) == is_kept


def test_what_was_deleted_while_it_was_kept_does_not_stay(originals, source):
    originals.keep(source)

    assert held(originals) == []


def test_an_original_goes_with_the_last_document_of_its_digest(originals, source, stored):
    digest = digest_of(source)
    stored.add(digest)
    originals.keep(source)

    originals.release(digest)
    assert held(originals) == [digest]

    stored.clear()
    originals.release(digest)
    assert held(originals) == []


def test_a_sweep_leaves_what_is_stored_and_nothing_else(originals, source, stored):
    digest = digest_of(source)
    stored.add(digest)
    originals.keep(source)
    (originals.path(digest).parent / ".new-1234").write_bytes(b"half writ")
    orphan = originals.path("f" * 64)
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"%PDF-")

    originals.sweep()

    assert held(originals) == [digest]
    assert not orphan.parent.exists()


def test_without_a_wish_to_keep_them_none_is_kept_and_those_of_before_go(originals, source, stored):
    stored.add(digest_of(source))
    originals.keep(source)
    originals.is_kept = False
    originals.sweep()

    assert held(originals) == []
    originals.keep(source)
    assert held(originals) == []


def test_where_links_are_not_possible_the_bytes_are_copied(originals, source, stored, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr("ingest.originals.os.link", refuse)
    stored.add(digest_of(source))
    originals.keep(source)

    assert originals.path(digest_of(source)).read_bytes() == PDF


def test_a_full_disk_costs_the_original_and_nothing_else(originals, source, stored, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ingest.originals.os.link", refuse)
    monkeypatch.setattr("ingest.originals.shutil.copyfile", refuse)
    stored.add(digest_of(source))
    originals.keep(source)

    assert held(originals) == []
