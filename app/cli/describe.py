"""What /api/show gave in, the sections that `quire show` prints out; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.cli.format import count, sections
from app.cli.wire import ShowIn

_SHOWN_LINES = 2  # of a licence or a system message
_LIST_WIDTH = 10  # characters that the items of a list may take

Rows = list[Sequence[str]]


def describe(found: ShowIn, *, is_verbose: bool = False) -> str:
    """Lay a model out in sections, as Ollama does."""
    groups: list[tuple[str, Rows]] = [
        ("Model", list(_model(found))),
        ("Capabilities", [(name,) for name in found.capabilities]),
        ("Projector", list(_projector(found.projector_info))),
        ("Parameters", [line.split(None, 1) for line in found.parameters.splitlines() if line]),
    ]
    if is_verbose:
        metadata = sorted(found.model_info.items())
        groups.append(("Metadata", [(name, _value(value)) for name, value in metadata]))
        tensors = [(one.name, one.type, _listed(one.shape)) for one in found.tensors]
        groups.append(("Tensors", list(tensors)))
    groups += [("System", _head(found.system)), ("License", _head(found.license))]
    return sections([(title, rows) for title, rows in groups if rows])


def _model(found: ShowIn) -> Iterator[Sequence[str]]:
    info = found.model_info
    family = str(info.get("general.architecture", found.details.family))
    n_parameters = info.get("general.parameter_count")
    counted = count(n_parameters) if isinstance(n_parameters, int) else ""
    yield from _present(
        ("architecture", family),
        ("parameters", found.details.parameter_size or counted),
        ("context length", _number(info.get(f"{family}.context_length"))),
        ("embedding length", _number(info.get(f"{family}.embedding_length"))),
        ("quantization", found.details.quantization_level),
        ("requires", found.requires),
    )


def _projector(info: Mapping[str, object]) -> Iterator[Sequence[str]]:
    family = str(info.get("general.architecture", ""))
    n_parameters = info.get("general.parameter_count")
    yield from _present(
        ("architecture", family),
        ("parameters", count(n_parameters) if isinstance(n_parameters, int) else ""),
        ("embedding length", _number(info.get(f"{family}.vision.embedding_length"))),
        ("dimensions", _number(info.get(f"{family}.vision.projection_dim"))),
    )


def _present(*pairs: tuple[str, str]) -> Iterator[Sequence[str]]:
    return (pair for pair in pairs if pair[1])


def _head(text: str) -> Rows:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    shown: Rows = [(line,) for line in lines[:_SHOWN_LINES]]
    return shown + [("...",)] if len(lines) > _SHOWN_LINES else shown


def _number(value: object) -> str:
    return f"{value}" if isinstance(value, int | float) else ""


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return _listed(value)
    return "" if value is None else str(value)


def _listed(items: Sequence[object]) -> str:
    """Write the first items of a list, and how many more there are."""
    shown: list[str] = []
    width = 1
    for item in items:
        text = _value(item)
        width += len(text) + (2 if shown else 0)
        if shown and width > _LIST_WIDTH:
            break
        shown.append(text)
    rest = f" ...+{len(items) - len(shown)} more" if len(shown) < len(items) else ""
    return f"[{' '.join(shown)}{rest}]"
