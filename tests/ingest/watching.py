"""What tests of watched folders share: files that appear, conditions that come true."""

import threading
from contextlib import contextmanager
from time import monotonic


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def wait_until(condition, timeout_s=20.0):
    """Wait until something is true; the wait itself has an end."""
    deadline = monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert monotonic() < deadline, "it never became true"
        pause.wait(0.02)


@contextmanager
def until(condition, timeout_s=20.0):
    """Do what is in the block, then wait until something is true."""
    yield
    wait_until(condition, timeout_s)
