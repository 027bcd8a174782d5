"""A library in, findings with their cures out.

The judgements (`judge_*`) are pure; `library_findings` gathers the facts for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.doctor_types import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from app.api.wire import StatusOut
    from app.backup.copy_store import Looked
    from app.backup.record import Taken
    from app.config import Settings

_AHEAD = timedelta(minutes=5)  # that clocks of two machines may differ
_OLD = timedelta(days=7)


def judge_index(status: StatusOut) -> list[Finding]:
    """Judge what is stored, and whether a change of the embedding model got stuck."""
    from app.api.wire import NoticeFacts

    if status.models is None:
        return []
    counts = {"documents": str(status.n_documents), "passages": str(status.n_chunks)}
    text = f"{status.n_documents} documents, {status.n_chunks} passages"
    found = [Finding("ok", text, code="counts", values=counts)]
    found += [
        Finding(
            "bad",
            f"collection {one.collection!r} did not get from {one.from_model} to {one.to_model}: "
            f"{one.message}",
            f"run `quire migrate --to {one.to_model} --collection {one.collection}`",
            "migration_failed",
            {
                "collection": one.collection,
                "before": one.from_model,
                "after": one.to_model,
                "why": one.message,
            },
        )
        for one in status.migrations
        if one.state == "failed"
    ]
    if status.compaction is not None and status.compaction.failed:
        why = status.compaction.failed
        text, cure = f"what was deleted is still on the disk: {why}", "run `quire index compact`"
        found.append(Finding("bad", text, cure, "compaction_failed", {"why": why}))
    for at, text in enumerate(status.notices):
        facts = status.notice_facts[at] if at < len(status.notice_facts) else NoticeFacts()
        found.append(Finding("warn", text, "", facts.code, facts.values))
    return found


def judge_counts(figures: Mapping[str, object]) -> list[Finding]:
    """Judge whether the vector index holds what the catalogue does; figures as a library's own."""
    cure = "run `quire index rebuild`"
    if figures.get("is_index_behind"):
        text = "the vector index lacks what the catalogue holds"
        return [Finding("bad", text, cure, "index_behind")]
    n_orphans = figures.get("n_orphans")
    if isinstance(n_orphans, int) and n_orphans:
        text = f"the vector index named passages that the catalogue does not hold, {n_orphans} "
        values = {"n": str(n_orphans)}
        return [Finding("warn", f"{text}times since the start", cure, "index_orphans", values)]
    return [Finding("ok", "the vector index holds what the catalogue does", code="index_whole")]


def judge_catalogue(name: str, damage: str) -> Finding:
    """Judge a SQLite file by what its own check says; empty means no damage."""
    if not damage:
        return Finding("ok", f"{name} is sound", code="sound", values={"name": name})
    cure = "stop the server and restore the newest backup: `quire restore FILE --force`"
    values = {"name": name, "why": damage}
    return Finding("bad", f"{name} is damaged: {damage}", cure, "damaged", values)


def judge_jobs(n_failed: int) -> list[Finding]:
    """Judge files that could not be read."""
    if not n_failed:
        return []
    text = f"{n_failed} {'file' if n_failed == 1 else 'files'} could not be taken in"
    cure = "`quire jobs` says which, `quire job ID` why; then retry"
    return [Finding("warn", text, cure, "files_failed", {"n": str(n_failed)})]


def judge_clock(newest: str, now: datetime) -> list[Finding]:
    """Judge the clock by the youngest document: nothing can be younger than now.

    Args:
        newest: ISO 8601; empty without a document.
    """
    with suppress(ValueError):
        then = datetime.fromisoformat(newest)
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        if then > now + _AHEAD:
            text = f"a document was added in the future, at {newest}: the clock is or was wrong"
            cure = "set the clock: `timedatectl set-ntp true`"
            return [Finding("warn", text, cure, "clock_wrong", {"when": newest})]
    return []


def judge_backups(taken: Sequence[Taken], now: datetime, *, n_documents: int) -> list[Finding]:
    """Judge how old the newest backup is that was taken here."""
    if not n_documents:
        return []
    cure = "run `quire backup FILE`; it may run beside the server, say every night"
    newest = _newest(taken)
    if newest is None:
        return [Finding("warn", "no backup of this library was ever taken here", cure, "no_backup")]
    at, target = newest
    age = now - at
    days = max(0, age.days)
    text = f"the newest backup is {days} {'day' if days == 1 else 'days'} old ({target})"
    values = {"days": str(days), "target": target}
    is_old = age > _OLD
    return [Finding("warn" if is_old else "ok", text, cure if is_old else "", "backup", values)]


def judge_bound(missing: Sequence[str]) -> list[Finding]:
    """Judge the models that the documents were embedded with.

    Args:
        missing: what is wrong, with its cure behind a colon, as `backup.models` words it.
    """
    split = [_split(text) for text in missing]
    return [
        Finding("bad", what, cure, "bound_missing", {"what": what, "commands": _commands(cure)})
        for what, cure in split
    ]


def library_findings(settings: Settings) -> list[Finding]:
    """Look at the files of a library, while a server may be at work in them."""
    from app.backup import copy_store
    from app.backup.manifest import ModelUse
    from app.backup.members import CATALOGUE, DATABASES
    from app.backup.models import installed_in, judge_models
    from app.backup.record import noted
    from engine.library.store import Library

    home, now = settings.home, datetime.now(UTC)
    if not (home / CATALOGUE).is_file():
        return []
    found = [
        judge_catalogue(name, copy_store.quick_check(home / name))
        for name in DATABASES
        if (home / name).is_file()
    ]
    if any(one.level == "bad" for one in found):
        return found
    looked: Looked = copy_store.look(home / CATALOGUE)
    engine = settings.engine
    here = installed_in(Library(engine.models_dir, engine.extra_models_dirs))
    bound = [ModelUse(name, digest, "embedding") for name, digest in looked.models]
    return [
        *found,
        *judge_bound(judge_models(bound, here)),
        *judge_jobs(looked.n_failed),
        *judge_clock(looked.newest, now),
        *judge_backups(noted(home), now, n_documents=looked.n_documents),
        *_left_by_restore(home),
    ]


def _left_by_restore(home: Path) -> list[Finding]:
    from app.backup.swap import JOURNAL

    if not (home / JOURNAL).exists():
        return []
    text = "a restore was cut off; the next start of the server goes on with it"
    return [Finding("warn", text, "run `quire up`", "restore_cut_off")]


def _newest(taken: Sequence[Taken]) -> tuple[datetime, str] | None:
    times = []
    for one in taken:
        with suppress(ValueError):
            at = datetime.fromisoformat(one.made_at)
            times.append((at if at.tzinfo else at.replace(tzinfo=UTC), one.target))
    return max(times, default=None)


def _split(text: str) -> tuple[str, str]:
    what, _, cure = text.rpartition(": ")
    return (what, cure) if what else (text, "")


def _commands(text: str) -> str:
    """List what stands between backticks."""
    return " / ".join(f"`{one}`" for one in text.split("`")[1::2])
