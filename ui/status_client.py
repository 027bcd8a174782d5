"""The server's state, log, findings and keys as typed calls; speaks HTTP and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from ui.errors import RefusedError
from ui.models_client import ModelsClient
from ui.shapes import Job, Json
from ui.status_shapes import (
    Finding,
    Health,
    Key,
    LogLine,
    findings_from,
    health_from,
    keys_from,
    logs_from,
)

_NOT_OURS = (401, 403, 404, 405)  # no such route, or not for this key


class StatusClient(ModelsClient):
    """A connection to one server that speaks of its state; errors as in `Client`."""

    def __enter__(self) -> StatusClient:
        super().__enter__()
        return self

    def health(self) -> Health:
        """Ask how the server is, and why it is not ready if it is not."""
        with self._named_errors():
            response = self._http.get("/readyz")
        try:
            found = response.json()
        except ValueError:
            found = {}
        ready: Json = found if isinstance(found, dict) else {}
        return health_from(self._json("GET", "/kb/status"), ready)

    def logs(self) -> list[LogLine] | None:
        """Fetch the last warnings and errors; None if the server does not tell them."""
        try:
            return logs_from(self._json("GET", "/kb/logs", params={"limit": 50}))
        except RefusedError as error:
            if error.status in _NOT_OURS:
                return None
            raise

    def running_jobs(self) -> list[Job]:
        """List the jobs that run now; none if this key may not see them."""
        try:
            return [one for one in self.jobs(10) if one.state == "running"]
        except RefusedError as error:
            if error.status in _NOT_OURS:
                return []
            raise

    def findings(self) -> list[Finding] | None:
        """Let the doctor look; None if the server has none."""
        with self._named_errors():
            response = self._http.get("/kb/doctor", timeout=60)
        if response.status_code in _NOT_OURS:
            return None
        if response.is_error:
            raise RefusedError(response.status_code, response.text[:300])
        return findings_from(response.json())

    def keys(self) -> list[Key] | None:
        """List the keys; None if the server has none, or this one may not see them."""
        try:
            return keys_from(self._json("GET", "/kb/keys"))
        except RefusedError as error:
            if error.status in _NOT_OURS:
                return None
            raise

    def add_key(
        self, name: str, scopes: Sequence[str], collections: Sequence[str], days: int | None
    ) -> str:
        """Make a key; returns the secret, which nobody will tell again."""
        body: dict[str, object] = {"name": name, "scopes": list(scopes)}
        if collections:
            body["collections"] = list(collections)
        if days:
            body["expires"] = f"{days}d"
        return str(self._json("POST", "/kb/keys", body=body).get("key") or "")

    def revoke_key(self, key_id: str) -> None:
        """End a key."""
        self._json("DELETE", f"/kb/keys/{key_id}")
