"""What access is refused for; each message says what would help."""


class AccessError(Exception):
    """Something about keys and what they allow."""


class UnauthorizedError(AccessError):
    """No key, or one that is not known: 401."""


class ForbiddenError(AccessError):
    """The key is known, but may not do this: 403."""
