"""QUIRE_* variables, quire.toml and flags in, one frozen Settings out."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from app.keeping import (
    MAX_BODY_MB,
    Keeping,
    both_or_none,
    read_body_mb,
    read_format,
    read_grace,
    read_hosts,
    read_level,
    read_rate,
    read_switch,
)
from engine import config as engine_config
from engine.config import (
    EngineSettings,
    calm_openmp,
    engine_settings_from,
    parse_flag,
    parse_host,
)

T = TypeVar("T")
Auth = Literal["auto", "on", "off"]
AUTHS: tuple[Auth, ...] = ("auto", "on", "off")


class ConfigError(Exception):
    """A setting cannot be read; the message names it, its value and what would do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set."""

    home: Path  # data directory: catalogue, vectors, models, inbox
    host: str
    port: int
    embed_model: str  # empty = choose by itself
    chat_model: str  # empty = choose by itself
    reranker: str  # folder or hub name of a cross-encoder; empty = none
    is_offline: bool  # never ask a registry
    max_file_bytes: int
    chunk_tokens: int  # aimed at, by the embedding model's tokenizer
    watch: tuple[Path, ...]  # folders to keep indexed, besides the inbox
    engine: EngineSettings
    ollama_host: tuple[str, int] | None = None  # where OLLAMA_HOST says that the engine is
    n_workers: int = 1  # processes that load files, beside the one that embeds
    has_history: bool = True  # `quire run` remembers what was typed, in the data directory
    is_polling: bool | None = None  # whether watched folders are polled; none = by itself
    has_kb_models: bool = True  # collections answer as models called kb/<collection>
    keeps_originals: bool = True  # of uploaded PDFs and pictures, to show their pages
    auth: Auth = "auto"  # whether keys are asked for: on, off, or on but for loopback
    admin_key_file: Path | None = None  # holds one more key, for containers
    own_key: str = field(default="", repr=False)  # that commands show to a server elsewhere
    ollama_key: str = field(default="", repr=False)  # OLLAMA_API_KEY, as Ollama's clients have it
    keeping: Keeping = Keeping()  # limits, logs, TLS

    @property
    def url(self) -> str:
        """Where the server answers."""
        return url_of(self.host, self.port, is_tls=self.keeping.tls_cert is not None)

    @property
    def inbox(self) -> Path:
        """The folder that is always watched."""
        return self.home / "inbox"


def url_of(host: str, port: int, *, is_tls: bool = False) -> str:
    """Say how a client on this machine reaches what listens at an address."""
    host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def settings_from(
    env: Mapping[str, str], flags: Mapping[str, str] | None = None, *, user_home: Path | None = None
) -> Settings:
    """Read all settings: flag, then variable, then quire.toml, then default.

    Args:
        flags: by variable name, e.g. {"QUIRE_PORT": "8000"}.
    Raises:
        ConfigError: a value cannot be read.
    """
    raw = {name: value for name, value in (flags or {}).items() if value} | {}
    given = {**env, **raw}
    home = Path(given.get("QUIRE_HOME") or (user_home or Path.home()) / ".quire").expanduser()
    known = {**_from_file(home / "quire.toml"), **given}
    try:
        engine = engine_settings_from(known, home=home / "models")
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return Settings(
        home=home.absolute(),
        host=_read(known, "QUIRE_HOST", str, "127.0.0.1"),
        port=_read(known, "QUIRE_PORT", _port, "11434"),
        embed_model=_read(known, "QUIRE_EMBED_MODEL", str, ""),
        chat_model=_read(known, "QUIRE_CHAT_MODEL", str, ""),
        reranker=_read(known, "QUIRE_RERANKER", str, ""),
        is_offline=_read(known, "QUIRE_OFFLINE", _switch, "0"),
        max_file_bytes=_read(known, "QUIRE_MAX_FILE_MB", _positive, "512") * 1024 * 1024,
        chunk_tokens=_read(known, "QUIRE_CHUNK_TOKENS", _positive, "240"),
        watch=_read(known, "QUIRE_WATCH", _folders, ""),
        engine=engine,
        ollama_host=parse_host(known["OLLAMA_HOST"]) if known.get("OLLAMA_HOST") else None,
        n_workers=_read(known, "QUIRE_WORKERS", _positive, str(_own_cores())),
        has_history=not _read(known, "OLLAMA_NOHISTORY", parse_flag, "0"),
        is_polling=_read(known, "QUIRE_WATCH_POLLING", _polling, "auto"),
        has_kb_models=_read(known, "QUIRE_KB_MODELS", _switch, "1"),
        keeps_originals=_read(known, "QUIRE_KEEP_ORIGINALS", _switch, "1"),
        auth=_read(known, "QUIRE_AUTH", _auth, "auto"),
        admin_key_file=_read(known, "QUIRE_ADMIN_KEY_FILE", _file, ""),
        own_key=_own_key(known, "QUIRE_KEY"),
        ollama_key=_own_key(known, "OLLAMA_API_KEY"),
        keeping=_keeping(known),
    )


def _from_file(path: Path) -> dict[str, str]:
    """Read quire.toml: the same names as the variables, e.g. `QUIRE_PORT = 8000`."""
    if not path.is_file():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return {name: str(value) for name, value in values.items()}


def _read(known: Mapping[str, str], name: str, kind: Callable[[str], T], default: str) -> T:
    raw = known.get(name) or default
    try:
        return kind(raw)
    except ValueError as error:
        raise ConfigError(f"{name}={raw!r}: {error}") from error


def _port(raw: str) -> int:
    if not raw.isdecimal() or not 0 <= int(raw) <= 65535:
        raise ValueError("expected a port number from 0 to 65535")
    return int(raw)


def _positive(raw: str) -> int:
    if not raw.isdecimal() or int(raw) < 1:
        raise ValueError("expected a whole number above 0")
    return int(raw)


def _own_cores() -> int:
    """Count the cores that loading may have: all but the engine's one, and no more than 8."""
    return max(1, min(8, (os.cpu_count() or 2) - 1))


def _switch(raw: str) -> bool:
    if raw.casefold() in ("1", "true", "yes", "on"):
        return True
    if raw.casefold() in ("0", "false", "no", "off"):
        return False
    raise ValueError("expected 1 or 0")


def _polling(raw: str) -> bool | None:
    try:
        return None if raw.casefold() == "auto" else _switch(raw)
    except ValueError as error:
        raise ValueError("expected auto, on or off") from error


def _auth(raw: str) -> Auth:
    found = next((one for one in AUTHS if one == raw.casefold()), None)
    if found is None:
        raise ValueError("expected auto, on or off")
    return found


def _file(raw: str) -> Path | None:
    return Path(raw).expanduser().absolute() if raw else None


def _own_key(known: Mapping[str, str], name: str) -> str:
    """Read what is shown to servers; a wrong value is not repeated, it may be nearly right."""
    key = (known.get(name) or "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{name}: expected a key, as `quire keys add` prints it")
    return key


def _keeping(known: Mapping[str, str]) -> Keeping:
    cert = _read(known, "QUIRE_TLS_CERT", _file, "")
    key = _read(known, "QUIRE_TLS_KEY", _file, "")
    try:
        both_or_none(cert, key)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return Keeping(
        rate_limit=_read(known, "QUIRE_RATE_LIMIT", read_rate, "auto"),
        max_body_bytes=_read(known, "QUIRE_MAX_BODY_MB", read_body_mb, str(MAX_BODY_MB)),
        grace_s=_read(known, "QUIRE_GRACE_S", read_grace, "15"),
        log_level=_read(known, "QUIRE_LOG_LEVEL", read_level, "warning"),
        log_format=_read(known, "QUIRE_LOG_FORMAT", read_format, "auto"),
        audit=_read(known, "QUIRE_AUDIT", read_switch, "auto"),
        hosts=_read(known, "QUIRE_HOSTS", read_hosts, ""),
        tls_cert=cert,
        tls_key=key,
    )


def _folders(raw: str) -> tuple[Path, ...]:
    return tuple(Path(part).expanduser() for part in raw.split(":") if part)


def prepare_process() -> None:
    """Set what must stand in this process's environment before native libraries load."""
    calm_openmp(os.environ)


def known_names() -> frozenset[str]:
    """Name every setting that there is: what this file and the engine's read, and nothing else."""
    files = (Path(__file__), Path(engine_config.__file__))
    found = re.findall(
        r'"((?:QUIRE|OLLAMA)_[A-Z_]+)"', "".join(one.read_text(encoding="utf-8") for one in files)
    )
    return frozenset(found)


def names_given(home: Path) -> list[str]:
    """Name the settings that this process was given, right or wrong.

    Raises:
        ConfigError: quire.toml cannot be read.
    """
    return [
        *(name for name in os.environ if name.startswith(("QUIRE_", "OLLAMA_"))),
        *_from_file(home / "quire.toml"),
    ]


def read_settings(flags: Mapping[str, str] | None = None) -> Settings:
    """Read all settings of this process: its flags, then its environment, then quire.toml.

    Raises:
        ConfigError: a value cannot be read.
    """
    return settings_from(os.environ, flags)
