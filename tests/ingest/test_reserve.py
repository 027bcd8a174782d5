import struct

import numpy as np

from ingest.reserve import clear_reserve
from ingest.vectors import VectorIndex

SECRET = "Vq3SecretHollowmere41 "


def spray(text):
    """Leave a text all over the memory that this thread gives back to its allocator."""
    kept = [text * (60_000 // len(text)) for _ in range(40)]
    pinned = [bytes(100_000) for _ in kept[::2]]
    kept.clear()
    assert pinned


def unit_rows(n):
    rows = np.random.default_rng(1).standard_normal((n, 64)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def files_with(folder, text):
    return {
        one.name for one in folder.rglob("*") if one.is_file() and text.encode() in one.read_bytes()
    }


def test_memory_that_the_library_wrote_to_disk_is_zeroed_and_the_index_works_on(tmp_path):
    rows = unit_rows(2_300)

    def add(first, end):
        index.add(1, range(first, end), rows[first:end], ["d"] * (end - first))

    index = VectorIndex(tmp_path / "chroma")
    add(0, 20)
    (file,) = tmp_path.rglob("data_level0.bin")
    with file.open("r+b") as level0:  # as the library does, where the allocator gave it that
        size = level0.seek(0, 2)
        level0.seek(size // 2)
        level0.write((SECRET * size).encode()[: size - size // 2])
    assert files_with(tmp_path, SECRET) == {"data_level0.bin"}

    assert index.settle(5)

    assert files_with(tmp_path, SECRET) == set()
    add(20, 2_300)  # beyond the room there was at first, and written to disk
    index.close()
    assert files_with(tmp_path, SECRET) == set()
    index = VectorIndex(tmp_path / "chroma")
    assert [index.query(1, rows[n], 1)[0][0] for n in (0, 19, 20, 150, 2_299)] == [
        0,
        19,
        20,
        150,
        2_299,
    ]
    index.close()


def written(folder, *, version=1, room=10, rows=4, size=10):
    folder.mkdir()
    (folder / "header.bin").write_bytes(struct.pack("<iQQQQ", version, 0, room, rows, size))
    (folder / "data_level0.bin").write_bytes(b"x" * 100)
    (folder / "length.bin").write_bytes(b"y" * 40)
    return folder


def test_rows_in_use_are_left_as_they_are(tmp_path):
    folder = written(tmp_path / "a")

    assert clear_reserve(tmp_path) == 60 + 24

    assert (folder / "data_level0.bin").read_bytes() == b"x" * 40 + bytes(60)
    assert (folder / "length.bin").read_bytes() == b"y" * 16 + bytes(24)


def test_a_crash_while_room_was_cleared_is_made_good(tmp_path):
    rows = unit_rows(300)
    index = VectorIndex(tmp_path / "chroma")
    index.add(1, range(300), rows, ["d"] * 300)
    index.close()
    sizes = {path: path.stat().st_size for path in tmp_path.rglob("*.bin")}
    (header,) = tmp_path.rglob("header.bin")
    _, _, room, used, row_bytes = struct.unpack_from("<iQQQQ", header.read_bytes())
    assert used < room
    for name, n_bytes in (("data_level0.bin", row_bytes), ("length.bin", 4)):
        assert sizes[header.with_name(name)] == room * n_bytes
        with header.with_name(name).open("r+b") as file:
            file.truncate(used * n_bytes)  # killed before it was made as long as it had been

    clear_reserve(tmp_path)

    assert {path: path.stat().st_size for path in tmp_path.rglob("*.bin")} == sizes
    index = VectorIndex(tmp_path / "chroma")
    assert [index.query(1, rows[n], 1)[0][0] for n in (0, 299)] == [0, 299]
    index.close()


def test_a_file_that_is_not_understood_is_left_alone(tmp_path):
    written(tmp_path / "a", version=2)
    written(tmp_path / "b", rows=11)
    short = written(tmp_path / "c")
    (short / "header.bin").write_bytes(b"\1\0\0\0")
    alone = written(tmp_path / "d")
    (alone / "data_level0.bin").unlink()
    (alone / "length.bin").unlink()

    assert clear_reserve(tmp_path) == 0
    assert clear_reserve(tmp_path / "missing") == 0
