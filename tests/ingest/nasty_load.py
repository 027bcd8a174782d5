"""A loader that does what the file says, for the child processes of the pool's tests."""

import os
import re
import signal
import socket
import time
from pathlib import Path

from ingest.errors import EncryptedFileError
from ingest.load_child import HEAD
from ingest.types import Block, Loaded


def end_once(path):
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Loaded("second try", (Block(0, 10, "paragraph"),))


def hang_once(path):
    if not Path(path).exists():
        Path(path).write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(1000)


def spin(_):
    while True:
        pass


def refuse(name):
    raise EncryptedFileError(f"{name} needs a password")


def fail(_):
    raise ValueError("what is this")


def announce_too_much(_):
    """Speak to the reader behind the back of the program that loads."""
    for fd in Path("/proc/self/fd").iterdir():
        try:
            peer = socket.socket(fileno=os.dup(int(fd.name)))
        except OSError:
            continue
        with peer:
            peer.sendall(HEAD.pack(b"L", 2**40, 0))


ORDERS = {
    "once": end_once,
    "hang once": hang_once,
    "crash": lambda _: os.kill(os.getpid(), signal.SIGSEGV),
    "leave": lambda _: os._exit(3),
    "hang": lambda _: time.sleep(1000),
    "spin": spin,
    "stuck": lambda _: re.match(r"(a+)+$", "a" * 60 + "b") and None,  # lets no other thread run
    "eat": lambda _: [bytearray(64 * 1024**2) for _ in range(1000)] and None,
    "eat at once": lambda _: bytearray(5 * 1024**3) and None,
    "talk": lambda _: Loaded("x" * 2 * 1024**3, ()),
    "lie": announce_too_much,
    "raise": fail,
    "noise": lambda _: os.write(1, b"L" * 10_000) and None,
}


def load(data: bytes, name: str) -> Loaded:
    order, _, rest = data.decode("utf-8", "replace").partition(": ")
    if order == "refuse":
        refuse(name)
    loaded = ORDERS.get(order.strip(), lambda _: None)(rest)
    text = f"{os.getpid()} {name} {len(data)} \ud800"
    blocks = (Block(0, 3, "table", ("A", "B"), page=2, header=(0, 1)),)
    return loaded or Loaded(text, blocks, "title", "text/x", {"k": "v"}, ("careful",))
