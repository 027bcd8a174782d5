"""What access is refused for; each message says what would help."""


class AccessError(Exception):
    """Something about keys and what they allow."""


class UnauthorizedError(AccessError):
    """No key, or one that is not known: 401."""


class ForbiddenError(AccessError):
    """The key is known, but may not do this: 403."""


class KeyRefusedError(AccessError):
    """A key cannot be made so: 400."""


class KeyNotFoundError(AccessError):
    """There is no such key: 404."""


class KeyStoreError(AccessError):
    """The file of keys cannot be read or written: 503."""


class LockedOutError(AccessError):
    """Keys are asked for and there is none, so the server does not start."""


STATUS: tuple[tuple[type[AccessError], int], ...] = (
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
    (KeyRefusedError, 400),
    (KeyNotFoundError, 404),
    (KeyStoreError, 503),
)
