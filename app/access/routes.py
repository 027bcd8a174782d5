"""Method and path in, what a caller must hold out; pure. What no line names takes `admin`.

A key that is bound to collections reaches a route only if its line says so: because the route
checks the collection (`check_collection`, or a filter), or because it touches none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from app.access.caller import SCOPES, Caller, Scope


@dataclass(frozen=True, slots=True)
class Need:
    """What a route asks of who comes."""

    scopes: tuple[Scope, ...] = ()  # one of them; none = everybody, also without a key
    is_for_bound: bool = False  # keys bound to collections may come too
    path: str = field(default="", compare=False)  # the template of the line that says so

    def missing(self, caller: Caller) -> str:
        """Say what a caller lacks; empty if nothing."""
        if not self.scopes:
            return ""
        if not any(caller.may(one) for one in self.scopes):
            held = ", ".join(sorted(caller.scopes)) or "none"
            return f"this needs the scope {' or '.join(self.scopes)}; it has {held}"
        if caller.collections is not None and not self.is_for_bound:
            return (
                "this is about more than the collections that it is bound to "
                f"({', '.join(sorted(caller.collections))})"
            )
        return ""


UNKNOWN = Need(("admin",))  # of a path that no line names: default deny
PUBLIC = Need()
ANY = Need(SCOPES, is_for_bound=True)  # any key

_READ = Need(("read",), is_for_bound=True)
_READ_ALL = Need(("read",))
_LOOK = Need(("read", "ask", "ingest"), is_for_bound=True)
_ASK = Need(("ask",), is_for_bound=True)
_INGEST = Need(("ingest",), is_for_bound=True)
_FOLLOW = Need(("read", "ingest"), is_for_bound=True)
_ADMIN = Need(("admin",), is_for_bound=True)
_ADMIN_ALL = Need(("admin",))

# {} stands for one part of a path, {*} for the rest of it, of at least one part.
TABLE: tuple[tuple[str, str, Need], ...] = (
    # The door itself
    ("GET HEAD", "/", PUBLIC),
    ("GET", "/healthz", PUBLIC),
    ("GET", "/readyz", PUBLIC),
    ("GET POST", "/login", PUBLIC),
    ("POST", "/logout", PUBLIC),
    # Pages: they show what the API gives to the same session
    ("GET HEAD POST PUT DELETE OPTIONS", "/ui", ANY),
    ("GET HEAD POST PUT DELETE OPTIONS", "/ui/", ANY),
    ("GET HEAD POST PUT DELETE OPTIONS", "/ui/{*}", ANY),
    ("GET", "/docs", ANY),
    ("GET", "/openapi.json", ANY),
    ("GET", "/kb/me", ANY),
    ("GET", "/metrics", _READ_ALL),  # figures of all collections
    # Models: a bound key may use plain ones; those called kb/ answer to who sees the collection
    ("GET HEAD", "/api/version", ANY),
    ("GET HEAD", "/api/tags", _LOOK),
    ("GET", "/api/ps", _LOOK),
    ("GET", "/api/status", _LOOK),
    ("POST", "/api/show", _LOOK),
    ("GET", "/v1/models", _LOOK),
    ("GET", "/v1/models/{*}", _LOOK),
    ("POST", "/api/generate", _ASK),
    ("POST", "/api/chat", _ASK),
    ("POST", "/api/embed", _ASK),
    ("POST", "/api/embeddings", _ASK),
    ("POST", "/api/rerank", _ASK),
    ("POST", "/api/tokenize", _ASK),
    ("POST", "/api/detokenize", _ASK),
    ("POST", "/v1/chat/completions", _ASK),
    ("POST", "/v1/completions", _ASK),
    ("POST", "/v1/embeddings", _ASK),
    ("POST", "/v1/rerank", _ASK),
    ("POST", "/v1/responses", _ASK),
    ("POST", "/v1/messages", _ASK),
    ("POST", "/v1/messages/count_tokens", _ASK),
    ("POST", "/v1/audio/transcriptions", _ASK),
    ("POST", "/api/pull", _ADMIN_ALL),
    ("POST", "/api/push", _ADMIN_ALL),
    ("POST", "/api/create", _ADMIN_ALL),
    ("POST", "/api/copy", _ADMIN_ALL),
    ("DELETE", "/api/delete", _ADMIN_ALL),
    ("HEAD POST", "/api/blobs/{}", _ADMIN_ALL),
    # What only Ollama's own cloud has; each says so
    ("POST", "/api/me", ANY),
    ("POST", "/api/signout", ANY),
    ("DELETE", "/api/user/keys/{*}", ANY),
    ("POST", "/api/experimental/web_search", ANY),
    ("POST", "/api/experimental/web_fetch", ANY),
    ("GET", "/api/experimental/model-recommendations", ANY),
    # Asking
    ("POST", "/kb/search", _READ),
    ("POST", "/kb/explain", _READ),
    ("POST", "/kb/query", _ASK),
    ("GET POST", "/kb/conversations", _ASK),
    ("POST", "/kb/conversations/import", _ASK),
    ("GET PATCH DELETE", "/kb/conversations/{}", _ASK),
    ("GET", "/kb/conversations/{}/export", _ASK),
    ("GET POST", "/kb/feedback", _ASK),
    ("GET", "/kb/suggestions", _ASK),
    # What is stored
    ("GET", "/kb/status", _LOOK),
    ("GET", "/kb/collections", _LOOK),
    ("POST", "/kb/collections", _INGEST),
    ("GET", "/kb/collections/{}", _LOOK),
    ("DELETE", "/kb/collections/{}", _ADMIN),
    ("POST", "/kb/collections/{}/reindex", _ADMIN),
    ("GET", "/kb/documents", _READ),
    ("POST", "/kb/documents", _INGEST),
    ("GET", "/kb/documents/{}", _READ),
    ("DELETE", "/kb/documents/{}", _INGEST),
    ("GET", "/kb/documents/{}/text", _READ),
    ("GET", "/kb/documents/{}/pages/{}/image", _READ),
    ("GET", "/kb/documents/{}/consequences", _READ),
    ("GET", "/kb/statistics", _READ),
    ("GET", "/kb/jobs", _FOLLOW),
    ("GET", "/kb/jobs/{}", _FOLLOW),
    ("POST", "/kb/jobs/{}/retry", _INGEST),
    ("POST", "/kb/jobs/{}/cancel", _INGEST),
    ("GET", "/kb/watched", _FOLLOW),
    # Whoever names a folder of the server's machine can have everything in it read out.
    ("POST", "/kb/watched", _ADMIN),
    ("POST", "/kb/watched/confirm", _INGEST),
    ("DELETE", "/kb/watched", _INGEST),
    # Models that this machine could run, and what they do here
    ("GET", "/kb/machine", _READ_ALL),
    ("GET", "/kb/models/advice", _READ_ALL),
    ("GET", "/kb/models/placement", _READ_ALL),
    ("GET", "/kb/models/pulls", _READ_ALL),
    ("POST", "/kb/models/modelfile", _ADMIN_ALL),
    ("POST", "/kb/models/cost", _ADMIN_ALL),
    ("POST", "/kb/models/pulls", _ADMIN_ALL),
    ("DELETE", "/kb/models/pulls/{}", _ADMIN_ALL),
    # Upkeep
    ("GET", "/kb/logs", _ADMIN_ALL),
    ("GET", "/kb/doctor", _ADMIN_ALL),
    ("POST", "/kb/backup", _ADMIN_ALL),
    ("GET", "/kb/index", _READ_ALL),
    ("POST", "/kb/index/rebuild", _ADMIN_ALL),
    ("POST", "/kb/index/compact", _ADMIN_ALL),
    ("GET", "/kb/migrations", _READ),
    ("POST", "/kb/migrations", _ADMIN),
    ("POST", "/kb/migrations/revert", _ADMIN),
    ("GET", "/kb/exams", _READ),
    ("POST", "/kb/exams", _ADMIN),
    ("GET", "/kb/exams/runs", _READ),
    ("GET", "/kb/exams/runs/{}", _READ),
    ("POST", "/kb/exams/runs/{}/cancel", _ADMIN),
    ("GET", "/kb/exams/compare", _READ),
    ("GET", "/kb/exams/verdicts/{}", _READ),
    ("DELETE", "/kb/exams/verdicts/{}", _ADMIN),
    ("GET", "/kb/exams/{}", _READ),
    ("DELETE", "/kb/exams/{}", _ADMIN),
    ("POST", "/kb/exams/{}/cases", _ADMIN),
    ("POST", "/kb/exams/{}/runs", _ADMIN),
    ("GET POST", "/kb/keys", _ADMIN_ALL),
    ("DELETE", "/kb/keys/{}", _ADMIN_ALL),
)


def need_of(method: str, path: str) -> Need:
    """Tell what a request takes; what no line of the table names takes `admin`."""
    return entry_of(method, path) or UNKNOWN


def entry_of(method: str, path: str) -> Need | None:
    """Find the line of the table that a request falls under; None if none does."""
    return _found(_TREE, path.split("/")[1:], 0, method)


@dataclass(slots=True)
class _Node:
    """One part of paths, with what may follow it."""

    needs: dict[str, Need] = field(default_factory=dict)  # by method, of paths that end here
    rest: dict[str, Need] = field(default_factory=dict)  # by method, of paths that go on anyhow
    further: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None


def _found(node: _Node, parts: list[str], at: int, method: str) -> Need | None:
    if at == len(parts):
        return node.needs.get(method)
    further = node.further.get(parts[at])
    found = _found(further, parts, at + 1, method) if further is not None else None
    if found is None and node.any is not None and parts[at]:
        found = _found(node.any, parts, at + 1, method)
    return found or node.rest.get(method)


def _tree(table: tuple[tuple[str, str, Need], ...]) -> _Node:
    root = _Node()
    for methods, template, need in table:
        node, parts = root, template.split("/")[1:]
        is_open = parts[-1] == "{*}"
        for part in parts[:-1] if is_open else parts:
            if part == "{}":
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.further.setdefault(part, _Node())
        known = replace(need, path=template)
        (node.rest if is_open else node.needs).update(dict.fromkeys(methods.split(), known))
    return root


_TREE = _tree(TABLE)
