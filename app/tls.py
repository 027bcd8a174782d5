"""Two files in, what a TLS server or its own client needs out; says what is wrong with them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from app.config import ConfigError, Settings


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate, those that vouch for it in the same file, and its key; both PEM."""

    cert: Path
    key: Path


def tls_of(settings: Settings) -> Tls | None:
    """Take the files that are set, if they fit together; None = plain HTTP.

    Raises:
        ConfigError: a file is missing, cannot be read, or they do not fit together.
    """
    cert, key = settings.keeping.tls_cert, settings.keeping.tls_key
    if cert is None or key is None:
        return None
    for name, path in (("QUIRE_TLS_CERT", cert), ("QUIRE_TLS_KEY", key)):
        try:
            with path.open("rb") as file:
                is_pem = b"-----BEGIN " in file.read(1 << 20)
        except OSError as error:
            raise ConfigError(f"{name}={path}: {error.strerror or error}") from error
        if not is_pem:
            raise ConfigError(f"{name}={path}: not a PEM file (it has no -----BEGIN line)")
    try:
        # A password would be asked for at a terminal that a server does not have.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key, _no_password)
    except ssl.SSLError as error:
        why = error.reason or str(error)
        raise ConfigError(
            f"QUIRE_TLS_CERT={cert} and QUIRE_TLS_KEY={key} do not work together: {why}. The first "
            "must hold the certificate, the second its own key without a password"
        ) from error
    return Tls(cert, key)


def trust_of(settings: Settings, url: str) -> ssl.SSLContext | bool:
    """Trust nothing but the server's own certificate, whatever name it is for.

    The server is called by its address on this machine, which no certificate names. True = what
    is trusted anyway, for who is not our own server.
    """
    cert = settings.keeping.tls_cert
    if cert is None or not url.startswith("https:"):
        return True
    try:
        trust = ssl.create_default_context(cafile=str(cert))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"QUIRE_TLS_CERT={cert}: cannot be read as a certificate") from error
    trust.check_hostname = False
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be its own authority
    return trust


def _no_password() -> str:
    return ""
