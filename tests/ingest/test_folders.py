import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from ingest.errors import BrokenFileError, TooLargeError
from ingest.folders import digest_of, list_files, read_settled


def everything(_name):
    return True


def names(root):
    return sorted(list_files(root, everything)[0])


def write(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("text")


def test_every_folder_has_its_own_ignore_file(tmp_path):
    write(tmp_path, "a.txt", "a.log", "sub/b.log", "sub/keep.log", "sub/deep/c.txt", "out/d.txt")
    (tmp_path / ".quireignore").write_text("\ufeff*.log\nout/\n", encoding="utf-8")
    (tmp_path / "sub/.quireignore").write_text("!keep.log\n/deep\n")

    assert names(tmp_path) == ["a.txt", "sub/keep.log"]


def test_a_folder_whose_rules_cannot_be_read_is_not_looked_into(tmp_path):
    write(tmp_path, "a.txt", "sub/secret.txt")
    (tmp_path / "sub/.quireignore").mkdir()  # reading it fails

    assert list_files(tmp_path, everything)[1] == ["sub"]
    assert names(tmp_path) == ["a.txt"]


def test_links_stay_inside_and_loops_end(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(outside, "secret.txt", "sub/secret.txt")
    write(root, "a.txt", "sub/b.txt")
    (root / "inside.txt").symlink_to(root / "a.txt")
    (root / "outside.txt").symlink_to(outside / "secret.txt")
    (root / "outside").symlink_to(outside / "sub")
    (root / "sub/up").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "one").symlink_to(root / "two")
    (root / "two").symlink_to(root / "one")
    (root / "dangling.txt").symlink_to(root / "nothing")

    assert list_files(root, everything)[1] == []
    assert names(root) == ["a.txt", "inside.txt", "sub/b.txt"]


def test_a_folder_that_is_a_link_itself_is_followed(tmp_path):
    write(tmp_path / "root", "a.txt")
    (tmp_path / "link").symlink_to(tmp_path / "root")

    assert names(tmp_path / "link") == ["a.txt"]


def test_names_that_are_not_utf8_are_reported_and_the_rest_is_read(tmp_path):
    write(tmp_path, "a.txt")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_bytes(b"text")
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xe9sum\xe9s"))
    write(folder, "b.txt")

    seen, unreadable = list_files(tmp_path, everything)

    assert list(seen) == ["a.txt"]
    assert sorted(unreadable) == ["caf?.txt", "r?sum?s"]


@pytest.fixture
def deep(tmp_path):
    """Nest folders deeper than calls may nest, which the usual ways to delete them cannot bear."""
    where = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_200):
        os.mkdir("d", dir_fd=where)
        below = os.open("d", os.O_RDONLY, dir_fd=where)
        os.close(where)
        where = below
    os.close(where)
    yield tmp_path
    (top,) = (one for one in tmp_path.iterdir() if one.is_dir())
    while below := next(top.iterdir(), None):
        below.rename(tmp_path / "next")
        top.rmdir()
        (tmp_path / "next").rename(top)


def test_nesting_deeper_than_the_stack_is_walked(deep):
    write(deep, "a.txt")

    assert list_files(deep, everything)[1] == []
    assert names(deep) == ["a.txt"]


def test_a_folder_without_permission_is_reported(tmp_path, monkeypatch):
    write(tmp_path, "a.txt", "shut/b.txt", "open/c.txt")
    scandir = os.scandir

    def refusing(path):  # root may read everything, so the refusal is played
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)

    assert list_files(tmp_path, everything)[1] == ["shut"]
    assert names(tmp_path) == ["a.txt", "open/c.txt"]


def test_a_root_that_goes_away_during_the_walk_says_nothing(tmp_path):
    root = tmp_path / "root"
    write(root, "a.txt", "sub/b.txt")

    def unmounting(name):
        if name == "a.txt":
            root.rename(tmp_path / "elsewhere")
            root.mkdir()
        return True

    assert list_files(root, unmounting) == ({}, ["."])


@pytest.mark.parametrize("kind", ["nothing", "file"])
def test_a_root_that_is_no_folder_says_nothing(tmp_path, kind):
    root = tmp_path / "root"
    if kind == "file":
        root.write_text("a file")

    assert list_files(root, everything) == ({}, ["."])


@pytest.mark.parametrize("mtime_ns", [0, -(10**18), 4 * 10**18])
def test_clocks_may_jump(tmp_path, mtime_ns):
    write(tmp_path, "a.txt")
    os.utime(tmp_path / "a.txt", ns=(mtime_ns, mtime_ns))

    data, seen = read_settled(tmp_path / "a.txt", 100)

    assert list_files(tmp_path, everything)[0] == {"a.txt": seen}
    assert (data, seen.mtime_ns) == (b"text", mtime_ns)


def test_a_pipe_is_neither_listed_nor_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")

    assert names(tmp_path) == []
    with pytest.raises(BrokenFileError, match="pipe"):
        read_settled(tmp_path / "pipe.txt", 100)
    with pytest.raises(BrokenFileError, match="pipe"):
        digest_of(tmp_path / "pipe.txt")


def test_sockets_and_devices_are_neither_listed_nor_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket may not be long
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.txt")
        (tmp_path / "null.txt").symlink_to("/dev/null")
        with suppress(PermissionError):
            os.mknod(tmp_path / "zero.txt", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        write(tmp_path, "a.txt")
        monkeypatch.setattr(os, "open", lambda *asked: pytest.fail(f"opened {asked}"))

        assert list_files(tmp_path, everything)[1] == []
        assert names(tmp_path) == ["a.txt"]


def test_a_path_that_is_too_long_for_the_system_is_reported_and_the_rest_is_read(deep):
    write(deep, "a.txt")
    (deep / "d").rename(deep / ("x" * 200))
    for _ in range(12):
        below = deep / ("x" * 200)
        above = deep / "above"
        above.mkdir()
        below.rename(above / ("x" * 200))
        above.rename(below)

    seen, unreadable = list_files(deep, everything)

    assert list(seen) == ["a.txt"]
    assert len(unreadable) == 1


def test_a_file_over_the_limit_is_refused_by_name(tmp_path):
    write(tmp_path, "a.txt")

    with pytest.raises(TooLargeError, match="QUIRE_MAX_FILE_MB"):
        read_settled(tmp_path / "a.txt", 3)
