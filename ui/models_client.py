"""The server's models as typed calls; speaks HTTP and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import httpx

from ui.client import Client
from ui.errors import RefusedError
from ui.models_metrics import Figures, figures_from
from ui.models_shapes import (
    Cost,
    Installed,
    Known,
    Machine,
    Mistake,
    Placement,
    Pull,
    Roles,
    Running,
    cost_from,
    installed_from,
    known_from,
    machine_from,
    mistakes_from,
    placement_from,
    pull_from,
    roles_from,
    running_from,
)
from ui.shapes import Json, mapping, objects

_LOAD_S = 600.0  # a large model from a slow disk; measuring loads one too
_MISSING = (403, 404, 405)  # no such route, or not for this key


class ModelsClient(Client):
    """A connection to one server that speaks of models; errors as in `Client`."""

    def __enter__(self) -> ModelsClient:
        super().__enter__()
        return self

    def installed(self) -> list[Installed]:
        """List the models on disk, newest first."""
        return installed_from(self._json("GET", "/api/tags"))

    def running(self) -> list[Running]:
        """List the models in memory."""
        return running_from(self._json("GET", "/api/ps"))

    def roles(self) -> Roles:
        """Ask which model does what."""
        return roles_from(self._json("GET", "/kb/status"))

    def machine(self) -> Machine:
        """Ask what the machine has; a machine of zeros if the server does not say."""
        try:
            return machine_from(self._json("GET", "/kb/machine"))
        except RefusedError as error:
            if error.status in _MISSING:
                return Machine()
            raise

    def advice(self) -> list[Known]:
        """List well-known models with their fit; none if the server does not say."""
        try:
            return known_from(self._json("GET", "/kb/models/advice"))
        except RefusedError as error:
            if error.status in _MISSING:
                return []
            raise

    def figures(self) -> Figures:
        """Fetch the figures of /metrics; none if the server does not tell them."""
        with self._named_errors():
            response = self._http.get("/metrics")
        return figures_from(response.text) if response.is_success else Figures()

    def placement(self, model: str) -> Placement:
        """Ask where a model would go now."""
        return placement_from(self._json("GET", "/kb/models/placement", params={"model": model}))

    def cost(self, model: str) -> Cost:
        """Measure what a change to another embedding model takes; loads that model."""
        self._http.timeout = httpx.Timeout(_LOAD_S)
        return cost_from(self._json("POST", "/kb/models/cost", body={"model": model}))

    def migrate(self, model: str, collection: str = "") -> None:
        """Move one collection, or all, to another embedding model."""
        one = {"collection": collection} if collection else {}
        self._json("POST", "/kb/migrations", body={"model": model, **one})

    def load(self, model: Installed) -> None:
        """Bring a model into memory."""
        self._http.timeout = httpx.Timeout(_LOAD_S)
        if model.can_chat:
            self._json("POST", "/api/generate", body={"model": model.name, "stream": False})
        else:
            self._json("POST", "/api/embed", body={"model": model.name, "input": "a"})

    def unload(self, model: str) -> None:
        """Take a model out of memory."""
        self._json("POST", "/api/generate", body={"model": model, "keep_alive": 0, "stream": False})

    def copy(self, model: str, name: str) -> None:
        """Give a model a second name."""
        self._command("POST", "/api/copy", {"source": model, "destination": name})

    def remove(self, model: str) -> None:
        """Delete a model."""
        self._command("DELETE", "/api/delete", {"model": model})

    def pulls(self) -> list[Pull]:
        """List the models on their way; none if the server follows none."""
        try:
            answer = self._json("GET", "/kb/models/pulls")
        except RefusedError as error:
            if error.status in _MISSING:
                return []
            raise
        return [pull_from(one) for one in objects(answer, "pulls")]

    def pull(self, model: str) -> Pull:
        """Begin to pull a model."""
        return pull_from(self._json("POST", "/kb/models/pulls", body={"model": model}))

    def end_pull(self, pull_id: str) -> None:
        """Cancel a pull, or forget one that has ended."""
        self._json("DELETE", f"/kb/models/pulls/{pull_id}")

    def check_modelfile(self, text: str) -> tuple[list[Mistake], Json]:
        """Look for mistakes in a Modelfile; without any, get what `create` takes."""
        answer = self._json("POST", "/kb/models/modelfile", body={"text": text})
        return mistakes_from(answer), mapping(answer, "request")

    def create(self, model: str, request: Json) -> Iterator[str]:
        """Make a model; yields what is being done."""
        body = {**request, "model": model, "stream": True}
        limits = httpx.Timeout(_LOAD_S)
        with (
            self._named_errors(),
            self._http.stream("POST", "/api/create", json=body, timeout=limits) as response,
        ):
            if response.is_error:
                response.read()
                raise RefusedError(response.status_code, _said(response.text))
            for line in response.iter_lines():
                told = _object(line)
                if "error" in told:
                    raise RefusedError(500, str(told["error"]))
                yield str(told.get("status") or "")

    def _command(self, method: str, path: str, body: Mapping[str, str]) -> None:
        """Tell the server to do what it answers with an empty body."""
        with self._named_errors():
            response = self._http.request(method, path, json=dict(body))
        if response.is_error:
            raise RefusedError(response.status_code, _said(response.text))


def _said(text: str) -> str:
    return str(_object(text).get("error") or text[:300])


def _object(text: str) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
