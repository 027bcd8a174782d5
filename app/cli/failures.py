"""An exception in, the one line that a person needs out; None if it is a defect of ours."""

from __future__ import annotations


def explain(error: Exception) -> str | None:
    """Word an error that we know; defects keep their traceback."""
    from app.access.errors import AccessError
    from app.backup.errors import BackupError
    from app.client import ServerError
    from app.config import ConfigError
    from app.exam.errors import ExamError
    from app.models import ModelUnavailableError
    from app.query.errors import QueryError
    from app.server import PortTakenError
    from engine.errors import EngineError
    from ingest.errors import IngestError

    ours = (
        AccessError,
        ServerError,
        BackupError,
        ConfigError,
        ExamError,
        ModelUnavailableError,
        QueryError,
        PortTakenError,
        EngineError,
        IngestError,
    )
    if isinstance(error, ours):
        return str(error) or type(error).__name__
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return None
