"""An archive is hostile until each of its bytes is proven."""

import json
import re
import sqlite3
import tarfile

import pytest
import zstandard

from app.backup import archive as archives
from app.backup import manifest
from app.backup.errors import ArchiveError, NewerArchiveError
from app.backup.members import problem_of
from app.backup.put import occupied, restore
from tests.app.backup.conftest import opened, stream
from tests.app.backup.forging import entry, unpacked


def refused(data, home, match, kind=ArchiveError):
    """Restore, expect a refusal, and that nothing at all was left behind."""
    with pytest.raises(kind, match=match):
        restore(stream(data), home)
    assert not home.exists()
    with pytest.raises(kind, match=match):
        archives.read(stream(data))


def plain(data):
    """Unpack the bytes of an archive, without a look at what they say."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def test_a_whole_archive_is_whole(archive):
    found = archives.read(stream(archive))

    assert [one.name for one in found.members] == ["kb.sqlite3", "inbox/note.txt"]
    assert (found.n_documents, found.schemas["kb.sqlite3"] > 0) == (3, True)
    assert [(one.name, one.role) for one in found.models] == [("bag:latest", "embedding")]


def test_any_bit_that_flips_is_noticed_or_changes_nothing(archive):
    whole = plain(archive)
    n_noticed = 0
    step = max(1, len(archive) // 60)
    for at in range(0, len(archive), step):
        broken = bytearray(archive)
        broken[at] ^= 0x10
        try:
            archives.read(stream(bytes(broken)))
        except (ArchiveError, NewerArchiveError):  # it may be the number of the format
            n_noticed += 1
        else:  # a few bits of the packing mean nothing, such as the size of its window
            assert plain(bytes(broken)) == whole
    assert n_noticed > 50


def test_each_member_whose_bytes_differ_is_named(archive, forged, tmp_path):
    contents, found = unpacked(archive)
    for number, one in enumerate(contents["members"]):

        def flip(members, number=number):
            name, data = members[number]
            members[number] = (name, data[:-1] + bytes([data[-1] ^ 1]))

        refused(forged(members=flip), tmp_path / "home", f"{one['name']}' is damaged")


def test_an_archive_that_is_cut_off_is_refused_wherever_that_is(archive, tmp_path):
    for share in (0.0, 0.01, 0.3, 0.9, 0.999):
        with pytest.raises(ArchiveError):
            restore(stream(archive[: int(len(archive) * share)]), tmp_path / "home")
        assert not (tmp_path / "home").exists()


def test_what_is_no_archive_is_refused(tmp_path):
    refused(b"PK\x03\x04 a zip, rather", tmp_path / "home", "no backup")
    refused(zstandard.compress(b"x" * 2000), tmp_path / "home", "header cannot be read")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../kb.sqlite3",
        "inbox/../../x",
        "inbox/../kb.sqlite3",
        "inbox//x",
        "inbox/",
        "inbox",
        "inbox/./x",
        "inbox\\..\\x",
        "inbox/a\0b",
        "inbox/a\nb",
        "inbox/" + "a" * 256,
        "inbox/" + "a/" * 70 + "b",
        "chroma/g-1/chroma.sqlite3",
        "server.lock",
        "restoring.json",
        "kb.sqlite3-wal",
        "models/probed.json",
        "models/blobs/sha256-" + "0" * 64,
        "models/manifests/../../../x/y",
        "models/manifests/a/b/c",
        "",
    ],
)
def test_names_that_lead_elsewhere_are_refused(forged, tmp_path, name):
    refused(forged(add=[(name, b"x")]), tmp_path / "home", "refused|does not hold what its name")


@pytest.mark.parametrize(
    "name", ["kb.sqlite3", "quire.toml", "inbox/a b/ü.txt", "originals/ab/abc", "staging/1/0"]
)
def test_names_of_a_library_are_taken(name):
    assert problem_of(name) == ""


def test_links_devices_and_folders_are_refused(archive, forged, tmp_path):
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, b"x", b"L"):

        def link(members, kind=kind):
            info = tarfile.TarInfo(members[1][0])
            info.type, info.linkname, info.size = kind, "/etc/passwd", len(members[1][1])
            members[1] = (info, members[1][1])

        refused(forged(members=link), tmp_path / "home", "no plain file")


def test_a_member_that_the_table_does_not_name_is_refused(forged, tmp_path):
    at_end = forged(members=lambda found: found.append(("more", b"x")))
    between = forged(members=lambda found: found.insert(0, ("more", b"x")))

    refused(at_end, tmp_path / "home", "more than its table")
    refused(between, tmp_path / "home", "where 'kb.sqlite3'")


def test_a_member_that_is_missing_or_stands_elsewhere_is_refused(forged, tmp_path):
    refused(forged(members=lambda found: found.pop()), tmp_path / "home", "header cannot be read")
    refused(forged(members=lambda found: found.reverse()), tmp_path / "home", "where 'kb.sqlite3'")


def test_what_follows_the_end_is_refused(archive, forged, tmp_path):
    refused(forged(end=bytes(1024) + b"more"), tmp_path / "home", "more than its table")
    refused(archive + archive, tmp_path / "home", "more than its table")
    refused(archive + b"junk", tmp_path / "home", "damaged")


def test_sizes_that_no_disk_holds_are_refused_before_anything_is_written(forged, tmp_path):
    huge = 1 << 50

    def say(contents):
        contents["members"][1]["size_bytes"] = huge

    def head(members):
        info = tarfile.TarInfo(members[1][0])
        info.size = huge
        members[1] = (info, members[1][1])

    from app.backup.errors import NoRoomError

    with pytest.raises(NoRoomError, match="MB free"):
        restore(stream(forged(table=say, members=head)), tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_a_table_that_claims_less_than_it_holds_is_refused(forged, tmp_path):
    def say(contents):
        contents["members"][0]["size_bytes"] = 5

    refused(forged(table=say), tmp_path / "home", "of 5 bytes should be")


def test_a_packer_s_window_that_asks_for_all_memory_is_refused(tmp_path):
    packer = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=False)
    ).compressobj()
    data = packer.compress(b"x" * 4096) + packer.flush()

    refused(data, tmp_path / "home", "damaged")


def test_a_newer_format_asks_for_a_newer_program(forged, tmp_path):
    def newer(contents):
        contents["format"] = manifest.FORMAT + 1

    refused(forged(table=newer), tmp_path / "home", "update the program", NewerArchiveError)


@pytest.mark.parametrize("name", ["kb.sqlite3"])
def test_a_newer_catalogue_asks_for_a_newer_program(forged, tmp_path, name):
    data = changed_catalogue(forged, tmp_path, "PRAGMA user_version = 99")

    with pytest.raises(NewerArchiveError, match=r"kb\.sqlite3 has version 99.*update the program"):
        restore(stream(data), tmp_path / "home")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM documents; END",
        "CREATE VIEW v AS SELECT * FROM meta",
    ],
)
def test_a_catalogue_that_would_run_something_is_refused(forged, tmp_path, sql):
    with pytest.raises(ArchiveError, match="no table of ours"):
        restore(stream(changed_catalogue(forged, tmp_path, sql)), tmp_path / "home")


def changed_catalogue(forged, tmp_path, sql):
    file = tmp_path / "changed.sqlite3"

    def members(found):
        file.write_bytes(found[0][1])
        with sqlite3.connect(file) as connection:
            connection.execute(sql)
        connection.close()
        found[0] = (found[0][0], file.read_bytes())

    def table(contents):
        contents["members"][0] = entry("kb.sqlite3", "kb.sqlite3", file.read_bytes())

    def both(contents):
        return contents

    # The members first: the table tells their digests.
    from tests.app.backup.forging import packed

    contents, found = unpacked(forged())
    members(found)
    table(contents)
    return packed(both(contents), found)


def test_a_catalogue_that_is_none_is_refused(forged, tmp_path):
    from tests.app.backup.forging import packed

    contents, found = unpacked(forged())
    found[0] = ("kb.sqlite3", b"no database" * 100)
    contents["members"][0] = entry("kb.sqlite3", *found[0])

    with pytest.raises(ArchiveError, match="no file of ours"):
        restore(stream(packed(contents, found)), tmp_path / "home")


TABLE = {
    "format": 1,
    "program": "1",
    "made_at": "",
    "home": "/h",
    "n_documents": 0,
    "n_chunks": 0,
    "schemas": {"kb.sqlite3": 1},
    "members": [entry("kb.sqlite3", "kb.sqlite3", b"")],
    "models": [],
    "left_out": [],
}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format": "1"}, "format"),
        ({"format": True}, "format"),
        ({"n_chunks": -1}, "n_chunks"),
        ({"home": 1}, "home"),
        ({"members": {}}, "members"),
        ({"members": []}, "no kb.sqlite3"),
        ({"members": [1]}, "not one of ours"),
        ({"members": TABLE["members"] * 2}, "twice"),
        ({"members": [TABLE["members"][0] | {"sha256": "x"}]}, "digest"),
        ({"members": [TABLE["members"][0] | {"size_bytes": 1 << 70}]}, "size_bytes"),
        ({"schemas": {}}, "version of every file"),
        ({"schemas": []}, "not one of ours"),
        ({"models": [{"name": "a", "digest": "", "role": "king"}]}, "role"),
    ],
)
def test_a_table_of_contents_is_checked_field_by_field(changes, match):
    with pytest.raises(ArchiveError, match=match):
        manifest.parse(json.dumps(TABLE | changes).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff"])
def test_a_table_of_contents_that_is_no_json_is_refused(raw):
    with pytest.raises(ArchiveError):
        manifest.parse(raw)


def test_a_table_of_contents_reads_back_as_it_was_written():
    found = manifest.parse(json.dumps(TABLE).encode())

    assert manifest.parse(manifest.render(found)) == found


def test_a_file_that_is_a_folder_too_is_refused(forged, tmp_path):
    data = forged(add=[("inbox/a", b"x"), ("inbox/a/b", b"y")])

    with pytest.raises(ArchiveError, match="a file and as a folder"):
        restore(stream(data), tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_an_archive_over_a_library_that_is_refused_leaves_it_as_it_was(archive, home):
    before = {name: (home / name).stat().st_ino for name in occupied(home)}

    with pytest.raises(ArchiveError):
        restore(stream(archive[:-50]), home, is_replacing=True)

    assert {name: (home / name).stat().st_ino for name in occupied(home)} == before
    assert not [one for one in home.parent.iterdir() if re.search("before|restoring", one.name)]
    with opened(home) as kb:
        assert kb.collection("default").n_documents == 3
