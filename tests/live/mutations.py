"""A valid GGUF file in, damaged ones out: the same seed damages in the same way."""

import struct
from dataclasses import dataclass, field
from random import Random

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_ODD = (0, 1, 2, 3, 7, 255, 1 << 15, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62)
_ODD = (*_ODD, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_ODD_REALS = (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), float("-inf"))


@dataclass
class Entry:
    """One key with its value, or one tensor, as bytes; `numbers` are (offset, width) in it."""

    name: str
    raw: bytearray
    numbers: list[tuple[int, int]] = field(default_factory=list)
    is_real: bool = False


@dataclass
class Parts:
    """A GGUF file in pieces; counts that do not fit the pieces are part of the damage."""

    keys: list[Entry]
    tensors: list[Entry]
    data: bytearray
    n_keys: int
    n_tensors: int
    version: int = 3

    def join(self) -> bytes:
        head = b"GGUF" + struct.pack("<IQQ", self.version, self.n_tensors, self.n_keys)
        head += b"".join(bytes(one.raw) for one in (*self.keys, *self.tensors))
        return head + b"\0" * (-len(head) % 32) + bytes(self.data)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, width: int) -> int:
        self.at += width
        return int.from_bytes(self.data[self.at - width : self.at], "little")

    def skip_text(self) -> None:
        n_bytes = self.number(8)
        self.at += n_bytes


def take_apart(data: bytes) -> Parts:
    """Cut a file into its keys, tensors and weights."""
    reader = _Reader(data)
    reader.at = 8
    n_tensors, n_keys = reader.number(8), reader.number(8)
    keys = [_entry(reader, _key) for _ in range(n_keys)]
    tensors = [_entry(reader, _tensor) for _ in range(n_tensors)]
    return Parts(keys, tensors, bytearray(data[reader.at + -reader.at % 32 :]), n_keys, n_tensors)


def _entry(reader: _Reader, read) -> Entry:
    begin = reader.at
    numbers = [(reader.at, 8)]
    reader.skip_text()
    name = reader.data[begin + 8 : reader.at].decode()
    is_real = read(reader, numbers)
    raw = bytearray(reader.data[begin : reader.at])
    return Entry(name, raw, [(at - begin, width) for at, width in numbers], is_real)


def _key(reader: _Reader, numbers: list) -> bool:
    numbers.append((reader.at, 4))
    kind = reader.number(4)
    if kind == _STRING:
        numbers.append((reader.at, 8))
        reader.skip_text()
    elif kind == _ARRAY:
        numbers += [(reader.at, 4), (reader.at + 4, 8)]
        inner, n_items = reader.number(4), reader.number(8)
        for _ in range(n_items):
            width = 8 if inner == _STRING else _SIZES[inner]
            numbers.append((reader.at, width))
            reader.skip_text() if inner == _STRING else reader.number(width)
    else:
        numbers.append((reader.at, _SIZES[kind]))
        reader.number(_SIZES[kind])
    return kind in (6, 12)


def _tensor(reader: _Reader, numbers: list) -> bool:
    numbers.append((reader.at, 4))
    for width in [8] * reader.number(4) + [4, 8]:
        numbers.append((reader.at, width))
        reader.number(width)
    return False


def damaged(data: bytes, seed: int) -> tuple[str, bytes]:
    """Damage a file in one to three ways; also say in which."""
    draw, parts, done = Random(seed), take_apart(data), []
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        done.append(draw.choices(_WAYS, weights=_WEIGHTS)[0](parts, draw))
    whole = parts.join()
    if draw.random() < 0.1:
        n_bytes = draw.randrange(len(whole))
        done.append(f"cut at {n_bytes}")
        whole = whole[:n_bytes]
    return ", ".join(done), whole


def _another_number(parts: Parts, draw: Random) -> str:
    """Counts, lengths, types, dimensions, offsets and values, of whatever stands in the header."""
    entry = draw.choice(draw.choice((parts.keys, parts.tensors)) or parts.keys)
    if not entry.numbers:
        return "nothing"
    at, width = draw.choice(entry.numbers[:64] if draw.random() < 0.7 else entry.numbers)
    if width not in (1, 2, 4, 8) or at + width > len(entry.raw):
        return "nothing"
    old = int.from_bytes(entry.raw[at : at + width], "little")
    new = draw.choice((*_ODD, old + 1, old - 1, old * 2, old // 2, draw.getrandbits(64)))
    raw = (new % (1 << 8 * width)).to_bytes(width, "little")
    if entry.is_real and width in (4, 8) and draw.random() < 0.7:
        raw = struct.pack("<f" if width == 4 else "<d", draw.choice(_ODD_REALS))
    entry.raw[at : at + width] = raw
    return f"{entry.name}[{at}] {old} → {raw.hex()}"


def _another_value(parts: Parts, draw: Random) -> str:
    """The value of a key that is one number: sizes, layers, heads, token ids, epsilons."""
    single = [one for one in parts.keys if len(one.numbers) == 3]
    if not single:
        return "nothing"
    entry = draw.choice(single)
    at, width = entry.numbers[-1]
    old = int.from_bytes(entry.raw[at : at + width], "little")
    new = draw.choice((*_ODD, old + 1, max(0, old - 1), old * 2, old // 2))
    entry.raw[at : at + width] = (new % (1 << 8 * width)).to_bytes(width, "little")
    return f"{entry.name} {old} → {new}"


def _another_text(parts: Parts, draw: Random) -> str:
    entry = draw.choice((*parts.keys, *parts.tensors))
    at = draw.randrange(8, len(entry.raw))
    n_bytes = min(draw.choice((1, 4, 32)), len(entry.raw) - at)
    entry.raw[at : at + n_bytes] = draw.randbytes(n_bytes)
    return f"{n_bytes} bytes of {entry.name} from {at}"


def _one_less(parts: Parts, draw: Random) -> str:
    entries = draw.choice((parts.keys, parts.tensors))
    if not entries:
        return "nothing"
    gone = entries.pop(draw.randrange(len(entries)))
    if entries is parts.keys:
        parts.n_keys -= 1
    else:
        parts.n_tensors -= 1
    return f"without {gone.name}"


def _one_twice(parts: Parts, draw: Random) -> str:
    entries = draw.choice((parts.keys, parts.tensors))
    if not entries:
        return "nothing"
    entry = draw.choice(entries)
    entries.append(Entry(entry.name, bytearray(entry.raw), list(entry.numbers)))
    if entries is parts.keys:
        parts.n_keys += 1
    else:
        parts.n_tensors += 1
    return f"{entry.name} twice"


def _two_swapped(parts: Parts, draw: Random) -> str:
    """Two tensors change names: all is there, in the wrong shapes."""
    if len(parts.tensors) < 2:
        return "nothing"
    one, other = draw.sample(parts.tensors, 2)
    cuts = [8 + int.from_bytes(entry.raw[:8], "little") for entry in (one, other)]
    heads = one.raw[: cuts[0]], other.raw[: cuts[1]]
    if max(cuts) > min(len(one.raw), len(other.raw)):
        return "nothing"
    one.raw, other.raw = heads[1] + one.raw[cuts[0] :], heads[0] + other.raw[cuts[1] :]
    one.numbers, other.numbers = [], []
    return f"{one.name} and {other.name} swapped"


def _other_weights(parts: Parts, draw: Random) -> str:
    if not parts.data:
        return "nothing"
    at = draw.randrange(len(parts.data))
    n_bytes = min(len(parts.data) - at, draw.choice((64, 4096, 65536)))
    parts.data[at : at + n_bytes] = draw.choice((b"\xff", b"\x7f", b"\0")) * n_bytes
    return f"{n_bytes} odd weights from {at}"


def _other_counts(parts: Parts, draw: Random) -> str:
    name = draw.choice(("n_keys", "n_tensors", "version"))
    new = draw.choice((0, 1, getattr(parts, name) + 1, getattr(parts, name) - 1, *_ODD))
    setattr(parts, name, new % (1 << (32 if name == "version" else 64)))
    return f"{name} → {new}"


def _other_architecture(parts: Parts, draw: Random) -> str:
    """Keep the file and say that it is of another kind; its keys are renamed with it."""
    new = draw.choice((b"qwen2", b"gemma", b"mamba", b"gpt2", b"rwkv7", b"phi3", b"clip", b"t5"))
    for entry in parts.keys:
        head = int.from_bytes(entry.raw[:8], "little")
        key = bytes(entry.raw[8 : 8 + head])
        if key == b"general.architecture":
            at = 8 + head + 4
            entry.raw[at:] = struct.pack("<Q", len(new)) + new
        elif key.split(b".")[0] not in (b"general", b"tokenizer"):
            name = new + b"." + key.partition(b".")[2]
            entry.raw[: 8 + head] = struct.pack("<Q", len(name)) + name
        else:
            continue
        entry.numbers = []
    return f"architecture {new.decode()}"


_WAYS = (
    _another_number,
    _another_value,
    _another_text,
    _one_less,
    _one_twice,
    _two_swapped,
    _other_weights,
    _other_counts,
    _other_architecture,
)
_WEIGHTS = (5, 6, 2, 3, 1, 2, 1, 1, 2)
