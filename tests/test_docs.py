"""What the documents promise is held against the code."""

import ast
import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_setting_stands_in_the_readme_and_none_that_is_not_there():
    named = set()
    for file in ("app/config.py", "engine/config.py"):
        named |= set(re.findall(r'"((?:QUIRE|OLLAMA)_[A-Z_]+)"', text(file)))
    named |= {"QUIRE_HOME"}

    told = set(re.findall(r"`((?:QUIRE|OLLAMA)_[A-Z_]+)`", text("README.md")))

    assert told == named


def test_every_make_target_in_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))

    told = set(re.findall(r"`?make ([a-z-]+)`?", text("README.md") + text("CONTRIBUTING.md")))

    assert told <= targets | {"git"}, told - targets


def test_the_readme_stays_short():
    assert len(text("README.md").splitlines()) <= 150
    assert len(text("ARCHITECTURE.md").splitlines()) <= 200


def test_every_link_between_documents_leads_somewhere():
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", text(name)):
            assert (ROOT / target).exists(), f"{name} links to {target}"


def test_the_list_of_modules_is_up_to_date():
    found = runpy.run_path(str(ROOT / "docs" / "modules.py"))

    assert found["listing"]() == text("docs/modules.md"), "run `python docs/modules.py`"


CONTRACT_ROW = re.compile(r"^\| (?P<rule>.+?) \| (?P<tests>.*?) \| (?P<note>.*?) ?\|$")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
REASON = re.compile(r"not tested: \w.+")


def contract_rows():
    rows = [line for line in text("docs/ollama-contract.md").splitlines() if line.startswith("|")]
    return [line for line in rows if not line.startswith(("| Rule |", "|---"))]


def functions_of(path):
    nodes = ast.walk(ast.parse(text(path)))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_contract_names_exists():
    named = set(NAMED_TEST.findall(text("docs/ollama-contract.md")))

    assert len(named) > 300
    missing = {path for path, _ in named if not (ROOT / path).is_file()}
    assert not missing
    known = {path: functions_of(path) for path in {path for path, _ in named}}
    assert not {f"{path}::{name}" for path, name in named if name not in known[path]}


def test_every_rule_of_the_contract_has_a_test_or_a_reason():
    rows = [CONTRACT_ROW.match(line) for line in contract_rows()]

    assert len(rows) > 200
    assert None not in rows
    bare = [
        row["rule"]
        for row in rows
        if not NAMED_TEST.search(row["tests"]) and not REASON.fullmatch(row["tests"])
    ]
    assert not bare


def test_every_test_of_the_contract_is_named_by_it():
    """A test that no rule leads to would be missed when its rule changes."""
    named = set(NAMED_TEST.findall(text("docs/ollama-contract.md")))
    files = {
        file.relative_to(ROOT).as_posix() for file in ROOT.glob("tests/live/test_contract_*.py")
    }
    written = {
        (file, name) for file in files for name in functions_of(file) if name.startswith("test_")
    }

    assert not written - named
