"""The guide in deploy/ names what is there."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")


def test_it_stays_short():
    assert len(GUIDE.splitlines()) <= 120


def test_every_file_that_it_names_is_there():
    named = re.findall(r"deploy/(?!secrets)[\w./-]*\w", GUIDE)
    named += [f"deploy/{one}" for one in re.findall(r"`((?:prometheus|grafana)/[\w.]+)`", GUIDE)]

    assert len(named) > 10
    for one in named:
        assert (ROOT / one).exists(), one


def test_every_profile_and_every_value_that_it_names_exists():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    profiles = {name for one in compose["services"].values() for name in one.get("profiles", ())}
    assert set(re.findall(r"--profile ([\w-]+)", GUIDE)) == profiles

    text = (ROOT / "deploy" / "helm" / "quire" / "values.yaml").read_text(encoding="utf-8")
    for path in re.findall(r"--set ([\w.]+)=", GUIDE):
        value = yaml.safe_load(text)
        for part in path.split("."):
            assert part in value, path
            value = value[part]


def test_every_setting_that_it_names_is_one():
    known = "".join(
        (ROOT / name).read_text(encoding="utf-8") for name in ("app/config.py", "engine/config.py")
    )

    # QUIRE_MEMORY is the compose file's own.
    for name in set(re.findall(r"\b(?:QUIRE|OLLAMA)_[A-Z_]+", GUIDE)) - {"QUIRE_MEMORY"}:
        assert f'"{name}"' in known, name
