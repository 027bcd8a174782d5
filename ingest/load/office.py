"""Bytes of an old Office file (.doc, .ppt, .xls) in, its text by LibreOffice in a child out.

LibreOffice writes it in the current format, whose loader reads it. It runs with a profile of its
own that never runs macros, without a window or a network, and is stopped when it takes too long.
"""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path

from ingest.config import offline_environment
from ingest.errors import (
    BrokenFileError,
    EncryptedFileError,
    TooLargeError,
    UnsupportedFileError,
)
from ingest.load import docx, pptx, xlsx
from ingest.types import Loaded

CONVERT_TIMEOUT_S = 120.0
MAX_BYTES = 256 * 1024**2
PROGRAMS = ("soffice", "libreoffice")
_CURRENT: dict[str, tuple[str, Callable[[bytes, str], Loaded], str]] = {
    "doc": ("docx", docx.load, "application/msword"),
    # The old format does not say whether a table's first row is a header; mostly it is.
    "ppt": ("pptx", partial(pptx.load, tables_have_headers=True), "application/vnd.ms-powerpoint"),
    "xls": ("xlsx", xlsx.load, "application/vnd.ms-excel"),
}
# msoffcrypto asserts what it expects of a file.
_DAMAGED = (
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    struct.error,
)
# The profile's settings: macros off and not to be switched on, no links followed, no first start.
_SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="MacroSecurityLevel" oor:op="fuse"><value>3</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableMacrosExecution" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="BlockUntrustedRefererLinks" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableActiveContent" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Writer/Content/Update"><prop oor:name="Link" oor:op="fuse"><value>0</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Content/Update"><prop oor:name="Link" oor:op="fuse"><value>1</value></prop></item>
</oor:items>
"""  # noqa: E501


def load(data: bytes, name: str, kind: str, *, program: str | None = None) -> Loaded:
    """Load an old Office file.

    Args:
        kind: doc, ppt or xls.
        program: path of LibreOffice; looked for among the programs of the machine if not given.
    Raises:
        UnsupportedFileError: LibreOffice is not installed; says what to do.
        EncryptedFileError: it needs a password.
        BrokenFileError: LibreOffice cannot read it.
        TooLargeError: too large, or its conversion takes too long.
        EmptyFileError: it holds no text.
    """
    current, loader, media_type = _CURRENT[kind]
    if len(data) > MAX_BYTES:
        raise TooLargeError(
            f"{len(data):,} bytes; at most {MAX_BYTES:,} are converted from .{kind}; "
            f"save it as .{current}"
        )
    _refuse_encrypted(data)
    program = program or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise UnsupportedFileError(
            f".{kind} is an old Office format, which is read through LibreOffice: install it "
            f"(e.g. `apt install libreoffice`), or save the file as .{current} and add that"
        )
    return replace(loader(_convert(data, kind, program), name), media_type=media_type)


def _refuse_encrypted(data: bytes) -> None:
    from msoffcrypto import OfficeFile  # type: ignore[import-untyped]  # only for these files
    from msoffcrypto.exceptions import FileFormatError, ParseError  # type: ignore[import-untyped]

    try:
        is_encrypted = OfficeFile(BytesIO(data)).is_encrypted()
    except (FileFormatError, ParseError, *_DAMAGED):
        return  # what is damaged there is LibreOffice's to judge
    if is_encrypted:
        raise EncryptedFileError("the document needs a password; save it without one and add that")


def _convert(data: bytes, kind: str, program: str) -> bytes:
    current = _CURRENT[kind][0]
    with tempfile.TemporaryDirectory(prefix="quire-office-") as folder:
        home = Path(folder)
        settings = home / "profile" / "user" / "registrymodifications.xcu"
        settings.parent.mkdir(parents=True)
        settings.write_text(_SETTINGS, encoding="utf-8")
        source = home / f"document.{kind}"
        source.write_bytes(data)
        told = _run(_command(program, home, source, current), home)
        made = home / "out" / f"document.{current}"
        if not made.is_file():
            raise BrokenFileError(f"LibreOffice cannot read this .{kind} file: {told}")
        return made.read_bytes()


def _command(program: str, home: Path, source: Path, current: str) -> list[str]:
    return [
        program,
        f"-env:UserInstallation={(home / 'profile').as_uri()}",
        *("--headless", "--norestore", "--nolockcheck", "--nodefault", "--nofirststartwizard"),
        *("--convert-to", current, "--outdir", str(home / "out"), str(source)),
    ]


def _run(command: list[str], home: Path) -> str:
    """Run LibreOffice; give the last line that it wrote."""
    dead_end = "http://127.0.0.1:9"  # nothing answers there: pictures on the network stay there
    environment = offline_environment() | {
        "HOME": str(home),
        "http_proxy": dead_end,
        "https_proxy": dead_end,
    }
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,  # so that the program behind the start script stops with it
    )
    with process:
        try:
            output, _ = process.communicate(timeout=CONVERT_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise TooLargeError(
                f"its conversion took over {CONVERT_TIMEOUT_S:.0f} s; save it in a current format"
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else f"it ended with status {process.returncode}, silently"
