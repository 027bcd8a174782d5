"""The first line of every module in, docs/modules.md out: what goes in and comes out, by folder.

python docs/modules.py
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "ingest", "app", "ui")


def listing() -> str:
    """Write the list."""
    lines = [
        "# Every module",
        "",
        "Made by `python docs/modules.py` from their own first lines.",
        "",
    ]
    for package in PACKAGES:
        folders: dict[str, list[Path]] = {}
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py":
                folders.setdefault(path.parent.relative_to(ROOT).as_posix(), []).append(path)
        for folder, paths in folders.items():
            lines += [f"## `{folder}/`", ""]
            lines += [f"- `{path.name}`: {_first_line(path)}" for path in paths]
            lines.append("")
    return "\n".join(lines)


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].strip('"')


if __name__ == "__main__":
    (ROOT / "docs" / "modules.md").write_text(listing(), encoding="utf-8")
