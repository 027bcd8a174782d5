"""A loader that does what the file says, for the child processes of the pool's tests."""

import os
import signal
import time
from pathlib import Path

from ingest.errors import EncryptedFileError
from ingest.types import Block, Loaded


def load(data: bytes, name: str) -> Loaded:
    order, _, rest = data.decode("utf-8", "replace").partition(" ")
    if order == "once":  # ends its process unless it did so before
        if not Path(rest).exists():
            Path(rest).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Loaded("second try", (Block(0, 10, "paragraph"),))
    if order == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif order == "leave":
        os._exit(3)
    elif order == "hang":
        time.sleep(1000)
    elif order == "eat":
        hoard = [bytearray(64 * 1024**2) for _ in range(1000)]
        return Loaded(str(len(hoard)), ())
    elif order == "refuse":
        raise EncryptedFileError(f"{name} needs a password")
    elif order == "raise":
        raise ValueError("what is this")
    elif order == "noise":
        os.write(1, b"L" * 10_000)
    text = f"{os.getpid()} {name} {len(data)} \ud800"
    blocks = (Block(0, 3, "table", ("A", "B"), page=2, header=(0, 1)),)
    return Loaded(text, blocks, "title", "text/x", {"k": "v"}, ("careful",))
