import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.errors import LoadError
from engine.runtime.probe import Prober, Trial, refused_digests
from engine.runtime.probe_process import Ended, TrialProcess, cpu_limit_s

CRASHES = [-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL, -signal.SIGBUS, -signal.SIGFPE]
HANGS = -signal.SIGXCPU


@pytest.fixture
def prober(tmp_path):
    return Prober(tmp_path / "probed.json", "build")


class Children:
    """Ends that children come to, one after the other; counts how many were asked for."""

    def __init__(self, *ends):
        self.left = [one if isinstance(one, Ended) else Ended(one) for one in ends]

    def __call__(self, arguments, cpu_s):
        return self.left.pop(0)


def probing(tmp_path, *ends, build="build"):
    return Prober(tmp_path / "probed.json", build, Children(*ends))


def ask(prober, **more):
    return prober.verdict(Trial(Path("m.gguf"), "sha256:1", "chat", num_gpu=0, **more))


@pytest.mark.parametrize("status", CRASHES)
def test_a_crash_is_remembered_by_later_processes_too(tmp_path, status):
    with pytest.raises(LoadError, match="crashed"):
        ask(probing(tmp_path, status, status))

    with pytest.raises(LoadError, match="crashed"):
        ask(probing(tmp_path))


def test_a_model_that_computes_without_end_is_refused_and_remembered(tmp_path):
    with pytest.raises(LoadError, match="did not come to an end"):
        ask(probing(tmp_path, HANGS, HANGS))

    with pytest.raises(LoadError, match="did not come to an end"):
        ask(probing(tmp_path))


def test_a_trial_that_is_late_is_not_repeated_by_this_process_but_by_the_next(tmp_path):
    late = Ended(-signal.SIGKILL, is_late=True)
    prober = probing(tmp_path, late, late)

    for _ in range(2):
        with pytest.raises(LoadError, match="did not come to an end"):
            ask(prober)

    assert ask(probing(tmp_path, 0)).has_extra_buffers


@pytest.mark.parametrize(
    "end", [Ended(-signal.SIGKILL), Ended(-signal.SIGKILL, is_late=True)], ids=["memory", "time"]
)
def test_a_model_that_only_now_needs_the_slow_way_gets_the_fast_one_later(tmp_path, end):
    prober = probing(tmp_path, end, 0)

    assert not ask(prober).has_extra_buffers
    assert not ask(prober).has_extra_buffers  # without another trial
    assert ask(probing(tmp_path, 0)).has_extra_buffers


def test_a_file_that_only_crashes_with_extra_buffers_is_loaded_without(tmp_path):
    assert not ask(probing(tmp_path, -signal.SIGILL, 0)).has_extra_buffers


@pytest.mark.parametrize(
    "end",
    [
        Ended(-signal.SIGKILL),
        Ended(-signal.SIGTERM),
        Ended(-signal.SIGINT),
        Ended(1, "ImportError"),
        Ended(-signal.SIGABRT, "terminate called after throwing 'std::bad_alloc'"),
    ],
)
def test_a_trial_that_was_cut_short_condemns_no_file(tmp_path, end):
    prober = probing(tmp_path, end, end, 0)

    with pytest.raises(LoadError, match="too little memory or time"):
        ask(prober)

    assert ask(prober).has_extra_buffers


@pytest.mark.parametrize(
    "more",
    [
        {"adapters": (Path("lora"),)},
        {"projectors": (Path("mmproj"),)},
        {"drafts": (Path("draft"),)},
        {"model_settings": (("use_mlock", True),)},
        {"context_settings": (("kv_type", "q8_0"),)},
    ],
)
def test_other_files_or_settings_are_another_question(tmp_path, more):
    prober = probing(tmp_path, 0, -signal.SIGSEGV, 0)

    assert ask(prober).has_extra_buffers
    assert not ask(prober, **more).has_extra_buffers
    assert ask(prober).has_extra_buffers


def test_another_build_asks_anew(tmp_path):
    assert ask(probing(tmp_path, 0)).has_extra_buffers
    assert not ask(probing(tmp_path, -signal.SIGSEGV, 0, build="new")).has_extra_buffers


def test_the_refused_files_can_be_listed(tmp_path):
    prober = probing(tmp_path, *[-signal.SIGSEGV] * 4, 0)
    for number in (1, 1, 2):
        with pytest.raises(LoadError):
            prober.verdict(Trial(Path("m"), f"sha256:{number}", "chat", num_gpu=0))
    prober.verdict(Trial(Path("m"), "sha256:3", "chat", num_gpu=0))

    assert refused_digests(tmp_path / "probed.json", "build") == ("sha256:1", "sha256:2")
    assert refused_digests(tmp_path / "probed.json", "newer build") == ()
    assert refused_digests(tmp_path / "nothing.json", "build") == ()


def _remember(folder, number):
    prober = Prober(folder / "probed.json", "build", Children(*[0] * 20))
    for at in range(20):
        prober.verdict(Trial(Path("m"), f"sha256:{number}-{at}", "chat", num_gpu=0))


def test_two_processes_keep_each_others_verdicts(tmp_path):
    spawn = multiprocessing.get_context("fork")
    both = [spawn.Process(target=_remember, args=(tmp_path, number)) for number in (1, 2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)

    assert len(json.loads((tmp_path / "probed.json").read_text(encoding="utf-8"))) == 40
    assert not list(tmp_path.glob(".probed*"))


def test_closing_ends_the_trial_that_runs_and_remembers_nothing(tmp_path, tiny, monkeypatch):
    prober = Prober(tmp_path / "probed.json", "build")
    said = []

    def wait():
        with pytest.raises(LoadError, match="cut short") as caught:
            prober.verdict(Trial(tiny / "chat.gguf", "sha256:1", "chat", num_gpu=0))
        said.append(caught.value)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while prober._process._child is None and waiting.is_alive():
        time.sleep(0.001)
    prober.close()
    waiting.join(30)

    assert len(said) == 1
    assert not (tmp_path / "probed.json").exists()


def test_a_child_ends_when_its_parent_was_killed(tiny):
    code = (
        "import sys, threading; from engine.runtime.probe_process import TrialProcess\n"
        "one = TrialProcess()\n"
        "threading.Thread(target=one.run, args=(sys.argv[1], 30), daemon=True).start()\n"
        "while one._child is None: pass\n"
        "print(one._child.pid, flush=True); threading.Event().wait()"
    )
    # A pipe that nobody writes to holds the child at its first file for as long as it lives.
    fifo = tiny / "waits.gguf"
    if not fifo.exists():
        os.mkfifo(fifo)
    arguments = Trial(fifo, "sha256:1", "chat", num_gpu=0).arguments(has_extra_buffers=True)
    parent = subprocess.Popen(
        [sys.executable, "-c", code, arguments], stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 60
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _is_running(pid)


def _is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_child_that_computes_without_end_is_ended_by_its_own_limit(tiny):
    words = json.loads(
        Trial(tiny / "chat.gguf", "sha256:1", "chat", num_gpu=0).arguments(has_extra_buffers=True)
    )
    many = [words["path"]] * 100_000  # drafts: to compute them all would take hours

    ended = TrialProcess().run(json.dumps({**words, "drafts": many[:1500], "cpu_s": 1}), 60)

    assert ended.outcome == "hangs"


def test_a_larger_model_may_take_more_of_the_processor():
    assert cpu_limit_s(0) < cpu_limit_s(10 << 30) < cpu_limit_s(40 << 30)


def trial(tiny, model, **more):
    return Trial(tiny / model, "sha256:1", more.pop("kind", "chat"), num_gpu=0, **more)


def test_whatever_belongs_to_a_model_is_tried_with_it(prober, tiny):
    assert prober.verdict(trial(tiny, "chat.gguf", adapters=(tiny / "lora.gguf",)))
    assert prober.verdict(trial(tiny, "chat.gguf", projectors=(tiny / "gemma3.gguf",)))
    assert prober.verdict(trial(tiny, "reranker.gguf", kind="rerank"))


def test_a_projector_that_crashes_takes_only_the_child_with_it(prober, tiny):
    with pytest.raises(LoadError, match="crashed llama.cpp when it was tried"):
        prober.verdict(trial(tiny, "mrope.gguf", projectors=(tiny / "crash.gguf",)))

    assert prober.verdict(trial(tiny, "mrope.gguf"))


@pytest.mark.parametrize(
    "more", [{"adapters": ("other-lora.gguf",)}, {"projectors": ("other-mlp.gguf",)}]
)
def test_what_does_not_fit_is_refused_with_the_reason(prober, tiny, more):
    files = {name: tuple(tiny / one for one in ones) for name, ones in more.items()}

    with pytest.raises(LoadError, match="other-.*: (llama.cpp|libmtmd) cannot"):
        prober.verdict(trial(tiny, "chat.gguf", **files))


@pytest.mark.parametrize("text", ["[]", "null", "{", "1"])
def test_a_damaged_memory_is_no_memory(tmp_path, text):
    (tmp_path / "probed.json").write_text(text, encoding="utf-8")
    prober = probing(tmp_path, 0)

    assert ask(prober) == ask(prober)
