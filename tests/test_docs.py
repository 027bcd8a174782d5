"""What the documents promise is held against the code."""

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
