"""The rules of the house, read from every import."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "ingest", "app", "ui")
MAY_IMPORT = {
    "engine": {"engine"},
    "ingest": {"ingest"},
    "app": {"engine", "ingest", "app", "ui"},
    "ui": {"ui"},
}
MAX_LINES = 500


def sources():
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def place(path):
    return path.relative_to(ROOT).as_posix()


def imports(path):
    """List the modules that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_there_is_something_to_check():
    assert len(sources()) > 30


@pytest.mark.parametrize("path", sources(), ids=place)
def test_imports_flow_one_way(path):
    package = path.relative_to(ROOT).parts[0]

    ours = {name.split(".")[0] for name in imports(path)} & set(PACKAGES)

    assert ours <= MAY_IMPORT[package]
    if package == "app" and "ui" in ours:
        assert place(path) in {"app/server.py", "app/cli/serve.py"}  # only to mount or start it


@pytest.mark.parametrize("path", sources(), ids=place)
def test_outside_worlds_have_one_door_each(path):
    where, names = place(path), {name.split(".")[0] for name in imports(path)}

    if "llama_cpp" in names:
        assert where == "engine/runtime/llama.py" or where.endswith("_native.py")
    if "chromadb" in names:
        assert where == "ingest/vectors.py"
    if "sqlite3" in names:
        assert where.endswith(("store.py", "schema.py"))
    if names & {"streamlit"}:
        assert where.startswith("ui/")


@pytest.mark.parametrize("path", sources(), ids=place)
def test_only_config_reads_the_environment(path):
    text = path.read_text(encoding="utf-8")

    reads = "os.environ" in text or "os.getenv" in text
    assert not reads or path.name == "config.py"


@pytest.mark.parametrize("path", sources(), ids=place)
def test_files_stay_readable(path):
    lines = path.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= MAX_LINES
    assert not lines or lines[0].startswith('"""'), "the first line says what goes in and out"
