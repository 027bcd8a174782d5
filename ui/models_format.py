"""Models as people read them: abilities, memory as bars, pulls as lines, settings; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ui.format import clip, duration_text, plain_html, size_text
from ui.models_shapes import Installed, Known, Machine, Pull, Roles, Running, Share, same
from ui.words import Words

_ABILITIES = ("completion", "embedding", "rerank", "vision", "audio", "tools", "thinking", "insert")
_PARTS = (("weights", "#2b8a6e"), ("cache", "#4a7bd0"), ("compute", "#d08700"))
_MAX_NAME = 60


def abilities_text(model: Installed, words: Words) -> str:
    """Say what a model can do."""
    known = [words(f"can_{one}") for one in _ABILITIES if one in model.capabilities]
    return ", ".join(known)


def tokens_text(n: int, words: Words) -> str:
    """Write a number of tokens; empty if it is not known."""
    return words("tokens", n=f"{n:,}") if n else ""


def summary_text(model: Installed, words: Words) -> str:
    """Say in one line what a model is."""
    parts = (
        model.parameter_size,
        model.quantization_level,
        size_text(model.size),
        abilities_text(model, words),
    )
    return " · ".join(one for one in parts if one)


def uses_of(model: str, roles: Roles, words: Words) -> list[str]:
    """Say what a model is used for now."""
    told = []
    if same(roles.chat, model):
        told.append(words("in_use_chat"))
    collections = roles.users_of(model)
    if collections or same(roles.embedding, model):
        told.append(words("in_use_embedding", collections=names_text(collections)).strip())
    if same(roles.reranker, model):
        told.append(words("in_use_reranker"))
    return told


def names_text(names: Sequence[str], limit: int = 3) -> str:
    """List some names, and say how many more there are."""
    told = ", ".join(clip(one, 40) for one in names[:limit])
    more = len(names) - limit
    return f"{told} + {more}" if more > 0 else told


def setting_line(name: str, value: str) -> str:
    """Write a setting as quire.toml takes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name} = "{escaped}"'


def settings_file(home: str) -> str:
    """Name the file of the settings; home is the data directory."""
    return str(PurePosixPath(home or "~/.quire") / "quire.toml")


def until_text(left_s: float | None, words: Words) -> str:
    """Say when a model leaves the memory."""
    if left_s is None:
        return words("memory_forever")
    return words("memory_until", time=duration_text(left_s, words))


def devices_of(
    model: Running, by_device: Mapping[str, Mapping[str, float]], words: Words
) -> list[Share]:
    """Tell what a model takes of each device: as measured, else as /api/ps divides it."""
    measured = [
        Share(
            device_name(device, words),
            round(parts.get("weights", 0)),
            round(parts.get("cache", 0)),
            round(parts.get("compute", 0)),
        )
        for device, parts in by_device.items()
    ]
    if measured:
        return [one for one in measured if one.size_bytes]
    host = model.size - model.size_vram
    split = ((words("memory_main"), host), ("GPU", model.size_vram))
    return [Share(name, size) for name, size in split if size > 0]


def device_name(device: str, words: Words) -> str:
    """Name a device as people do."""
    return words("memory_main") if device == "CPU" else device


def bar_html(shares: Sequence[Share], total: int, words: Words, *, label: str = "") -> str:
    """Draw what is taken as a bar of parts with a legend below.

    Args:
        total: bytes that the whole bar stands for; 0 = the parts fill it.
    """
    whole = max(total, sum(one.size_bytes for one in shares), 1)
    pieces, legend = [], []
    for part, color in _PARTS:
        size = sum(getattr(one, f"{part}_bytes") for one in shares)
        if not size:
            continue
        name = words(f"part_{part}")
        width = 100 * size / whole
        title = plain_html(f"{name}: {size_text(size)}")
        pieces.append(
            f'<span title="{title}" style="display:block;width:{width:.2f}%;min-width:2px;'
            f'background:{color}"></span>'
        )
        legend.append(
            f'<span style="white-space:nowrap;margin-right:.9em"><span style="display:inline-block;'
            f'width:.7em;height:.7em;border-radius:.2em;background:{color};margin-right:.35em">'
            f"</span>{plain_html(name)} {size_text(size)}</span>"
        )
    head = f'<div class="q-muted">{plain_html(label)}</div>' if label else ""
    return (
        f'{head}<div role="img" aria-label="{plain_html(label)}" style="display:flex;height:.6rem;'
        "border-radius:.3rem;overflow:hidden;"
        'background:color-mix(in srgb, currentColor 12%, transparent)">'
        f'{"".join(pieces)}</div><div class="q-muted" style="margin-top:.25rem">'
        f"{''.join(legend)}</div>"
    )


def machine_text(machine: Machine, words: Words) -> str:
    """Say what the machine has; empty if the server does not."""
    if not machine.memory_bytes:
        return ""
    gpus = ", ".join(
        f"{one.description or one.name} ({size_text(one.total_bytes)})" for one in machine.gpus
    )
    return words(
        "machine_line",
        memory=size_text(machine.memory_bytes),
        cores=machine.n_cores,
        gpus=gpus or words("machine_no_gpu"),
        disk=size_text(machine.models_disk_free_bytes or machine.disk_free_bytes),
    )


def has_disk(known: Known, machine: Machine) -> bool:
    """Tell whether a model's files would fit on the disk."""
    return not machine.memory_bytes or known.size_bytes < machine.models_disk_free_bytes


def fit_text(known: Known, machine: Machine, words: Words) -> str:
    """Say how a model fits."""
    if known.fit != "none" and not has_disk(known, machine):
        return words("fit_disk")
    told = words(f"fit_{known.fit if known.fit in ('gpu', 'split', 'memory') else 'none'}")
    if known.is_slow:
        told = words("fit_slow")
    need = words("fit_need", size=size_text(known.need_bytes)) if known.need_bytes else ""
    return " · ".join(one for one in (told, need) if one)


def known_text(known: Known, words: Words) -> str:
    """Say what a model is that can be pulled."""
    languages = words("lang_en" if known.languages == "en" else "lang_multi")
    licence = clip(known.licence, 40)
    if not known.is_free:
        licence = f"{licence} ({words('licence_conditions')})"
    parts = (
        known.parameters,
        size_text(known.size_bytes),
        tokens_text(known.n_ctx, words),
        languages,
        words("can_vision") if known.can_see else "",
        words("can_tools") if known.can_use_tools else "",
        licence,
    )
    return " · ".join(one for one in parts if one)


def shown_first(known: Sequence[Known], *, is_all: bool) -> list[Known]:
    """Choose what to recommend: our own choice first, then the largest; what is slow comes last.

    Args:
        is_all: also what does not fit, or answers slowly here.
    """
    found = [one for one in known if is_all or (one.fit != "none" and not one.is_slow)]

    def rank(one: Known) -> tuple[bool, bool, int]:
        is_poor = one.is_slow or one.fit == "none"
        return not one.is_advised, is_poor, one.size_bytes if is_poor else -one.size_bytes

    return sorted(found, key=rank)


def pull_text(pull: Pull, words: Words) -> str:
    """Say how far a pull is."""
    if not pull.total_bytes:
        return words("pull_starting")
    if pull.done_bytes >= pull.total_bytes:
        return words("pull_finishing")
    known = pull.eta_s is not None and pull.bytes_per_s > 0
    left = f" · {words('left', time=duration_text(pull.eta_s or 0, words))}" if known else ""
    line = words(
        "pull_line",
        done=size_text(pull.done_bytes),
        total=size_text(pull.total_bytes),
        rate=size_text(round(pull.bytes_per_s)),
        left=left,
    )
    n = len(pull.layers)
    return f"{line} · {words('pull_layers', n=n)}" if n > 1 else line


def short_name(name: str) -> str:
    """Bound a model's name."""
    return clip(name, _MAX_NAME)
