"""What can go wrong between this interface and the server.

UiError
├── ServerGoneError   nobody answers at the address, or the connection broke
└── RefusedError      the server answered with an error; carries its status and its sentence
"""

from __future__ import annotations


class UiError(Exception):
    """Anything that keeps the interface from showing what was asked for."""


class ServerGoneError(UiError):
    """The server does not answer."""

    def __init__(self, api_url: str) -> None:
        super().__init__(f"no answer from {api_url}")
        self.api_url = api_url


class RefusedError(UiError):
    """The server answered, with an error.

    Args:
        retry_after_s: how long to wait, where the server said so.
    """

    def __init__(self, status: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s
