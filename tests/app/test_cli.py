"""The command line as its users run it: processes, exit codes, words."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from app.api.wire import StatusOut
from app.cli.documents import batches, files_below, follow
from app.server import bind

ROOT = Path(__file__).parents[2]


def free_port():
    with bind("127.0.0.1", 0) as taken:
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def env(tmp_path_factory, starter_models):
    ours = os.environ  # noqa: TID251 - what a process needs to start at all
    inherited = {name: ours[name] for name in ("PATH", "HOME", "LANG") if name in ours}
    return inherited | {
        "QUIRE_HOME": str(tmp_path_factory.mktemp("cli-home")),
        "QUIRE_OFFLINE": "1",
        "QUIRE_PORT": str(free_port()),
        "OLLAMA_MODELS": str(starter_models),
        "COLUMNS": "120",
        "GOMP_SPINCOUNT": "1000",
    }


def quire(env, *words, stdin="", **more):
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", *words],
        env={**env, **more},
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_help_names_every_verb_fast(env):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = quire(env, "--help")
    spent_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

    assert done.returncode == 0
    for verb in ("up", "ingest", "ask", "doctor", "list", "run", "stop"):
        assert f" {verb} " in done.stdout
    assert spent_s < 0.5  # of the processor; the clock would measure the neighbours too


def test_help_loads_nothing_heavy(env):
    code = (
        "import sys, app.cli.main; app.cli.main.build(); heavy = 'numpy fastapi httpx pydantic'; "
        "print([name for name in heavy.split() if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("dance",), 2, "dance"),
        (("search",), 2, "query"),
        (("ingest", "/no/such/place"), 1, "/no/such/place"),
        (("search", "x", "--collection", "nowhere"), 1, "nowhere"),
        (("show", "nobody"), 1, "model 'nobody:latest' not found"),
        (("stop", "nobody"), 1, 'couldn\'t find model "nobody" to stop'),
        (("show", "--system", "--license", "m"), 2, "only one of"),
    ],
)
def test_failures_have_one_line_and_an_exit_code(env, words, status, told):
    done = quire(env, *words)

    assert done.returncode == status
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_cannot_be_read_is_named(env):
    done = quire(env, "status", QUIRE_PORT="many")

    assert done.returncode == 1
    assert done.stderr.startswith("error: QUIRE_PORT='many'")


def test_status_of_nothing_makes_nothing(env, tmp_path):
    done = quire(env, "status", QUIRE_HOME=str(tmp_path / "none"))

    assert done.returncode == 0
    assert "no library yet" in done.stdout
    assert not (tmp_path / "none").exists()


def test_status_of_nothing_is_json_for_programs(env, tmp_path):
    done = quire(env, "status", "--json", QUIRE_HOME=str(tmp_path / "none"))

    told = StatusOut.model_validate_json(done.stdout)
    assert (told.ready, told.n_documents, told.home) == (False, 0, str(tmp_path / "none"))
    assert "no library yet" in told.notices[0]


def test_documents_go_in_and_are_found_without_a_server(env, tmp_path):
    (tmp_path / "light.txt").write_text("The lighthouse of Brumly was built in 1871 by Ada Finch.")
    (tmp_path / "bad.pdf").write_bytes(b"\x00\x01")
    (tmp_path / "picture.xyz").write_bytes(b"?")

    first = quire(env, "ingest", str(tmp_path))
    again = quire(env, "ingest", str(tmp_path / "light.txt"))
    found = quire(env, "search", "lighthouse")
    asked = quire(env, "ask", "Who built the lighthouse of Brumly?")

    assert first.returncode == 1
    assert "1 stored" in first.stdout
    assert "bad.pdf" in first.stderr
    assert ".xyz" in first.stderr
    assert (again.returncode, "1 already known" in again.stdout) == (0, True)
    assert "light.txt, characters 0-" in found.stdout
    assert "Ada Finch" in asked.stdout
    assert "with the starter models smollm2:135m and all-minilm:latest" in asked.stderr


def test_models_are_listed_run_shown(env):
    listed = quire(env, "list")
    said = quire(env, "run", "smollm2:135m", "Say hello.")
    vector = quire(env, "run", "all-minilm", "hello")
    shown = quire(env, "show", "smollm2:135m")

    assert listed.stdout.splitlines()[0].split() == ["NAME", "ID", "SIZE", "MODIFIED"]
    assert "smollm2:135m" in listed.stdout
    assert (said.returncode, bool(said.stdout.strip())) == (0, True)
    assert vector.stdout.startswith("[")
    assert "architecture" in shown.stdout


@pytest.fixture(scope="module")
def serving(env):
    """Start `quire serve` in a process of its own; yield it once it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "serve"],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    url = f"http://127.0.0.1:{env['QUIRE_PORT']}"
    try:
        wait_until_ready(process, url)
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        process.stdout.close()


def wait_until_ready(process, url):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server does not answer")


def test_a_server_is_used_named_and_ends_cleanly(env, serving, tmp_path):
    process, url = serving

    status = quire(env, "status")
    same_port = quire(env, "serve", QUIRE_HOME=str(tmp_path))
    same_home = quire(env, "serve", QUIRE_PORT=str(free_port()))
    watching = [quire(env, "watch", str(tmp_path), "-c", name) for name in ("default", "notes")]
    listed = quire(env, "watch", "--list")
    ended = quire(env, "watch", str(tmp_path), "-c", "notes", "--stop")
    ended_again = quire(env, "watch", str(tmp_path), "-c", "notes", "--stop")
    page = httpx.get(f"{url}/", headers={"Accept": "text/html"}, trust_env=False)
    doctor = quire(env, "doctor")
    process.send_signal(signal.SIGTERM)

    assert url in status.stdout
    assert f"quire watch --stop {tmp_path} -c default" in watching[0].stdout
    assert f"{tmp_path} into 'notes'" in watching[1].stdout
    assert f"watching {tmp_path} into notes (" in listed.stdout
    assert "its documents stay" in ended.stdout
    assert ended_again.returncode == 1
    assert "is not watched into 'notes'" in ended_again.stderr
    assert same_port.returncode == 1
    assert f"another Quire (pid {process.pid}" in same_port.stderr
    assert same_home.returncode == 1
    assert f"pid {process.pid}" in same_home.stderr
    assert (page.status_code, page.headers["location"]) == (302, "/ui/")
    assert "the server runs at" in doctor.stdout
    assert process.wait(30) == 0


def test_an_engine_alone_answers_and_ends_on_ctrl_c(env):
    port = str(free_port())
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "serve", "--engine-only", "--port", port],
        env=env,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, url)
        assert httpx.get(f"{url}/kb/status", trust_env=False).json()["mode"] == "engine"
        assert httpx.get(f"{url}/kb/documents", trust_env=False).status_code == 404
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30)


def test_uploads_are_cut_by_number_and_size():
    files = [(Path(str(n)), 1) for n in range(70)] + [(Path("big"), 10**9), (Path("last"), 1)]

    assert [len(batch) for batch in batches(files)] == [64, 6, 1, 1]


def test_folders_give_what_can_be_read_hidden_files_stay_out(tmp_path):
    for name in ("b.md", "a.txt", ".hidden.txt", ".git/config.txt", "x.unknown"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")

    assert [path.name for path in files_below([tmp_path])] == ["a.txt", "b.md"]


def test_empty_files_of_a_folder_are_named(tmp_path, capsys):
    (tmp_path / "full.txt").write_text("x")
    (tmp_path / "empty.txt").touch()

    assert [path.name for path in files_below([tmp_path])] == ["full.txt"]
    assert f"left out: {tmp_path}/empty.txt is empty" in capsys.readouterr().err


def test_watching_tells_only_what_happens_now(capsys):
    def job(name):
        error = {"path": f"{name}.pdf", "reason": "broken"}
        return {
            "id": name, "collection": "c", "state": "done", "progress": 1.0, "n_files": 1,
            "n_done": 1, "n_stored": 0, "n_skipped": 0, "message": "", "errors": [error],
            "created_at": "",
        }  # fmt: skip

    class Server:
        answers = [["old"], ["new", "old"], ["new", "old"]]

        def get(self, path, shape):
            if not self.answers:
                raise KeyboardInterrupt
            return shape.model_validate({"jobs": [job(name) for name in self.answers.pop(0)]})

    with pytest.raises(KeyboardInterrupt):
        follow(Server(), {"old"})

    assert capsys.readouterr().err.splitlines() == [
        "error: new.pdf: broken",
        "1 file: 0 stored, 0 already known, 1 failed",
    ]


def test_status_names_the_files_that_could_not_be_indexed(env, tmp_path):
    (tmp_path / "cut-off.pdf").write_bytes(b"%PDF-1.7\nnothing follows")
    home = {"QUIRE_HOME": str(tmp_path / "home")}
    quire(env, "ingest", str(tmp_path / "cut-off.pdf"), **home)

    told = quire(env, "status", **home).stdout

    assert "not indexed: " in told
    assert "cut-off.pdf" in told
