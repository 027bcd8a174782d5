"""The prompt as people see it: a process behind a pseudo terminal, before a scripted server."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WAIT_S = 60.0
_ESCAPES = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")


class Terminal:
    """Types at a process and reads what it shows."""

    def __init__(self, command, env):
        self.master, slave = pty.openpty()
        # A suite started in the background ignores SIGINT, and what it starts would inherit that.
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            self.process = subprocess.Popen(
                command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=ROOT, process_group=0
            )
        finally:
            signal.signal(signal.SIGINT, before)
            os.close(slave)
        self.raw = ""
        self.seen = ""

    def until(self, text):
        """Read on until `text` is shown; give what came before and with it."""
        deadline = time.monotonic() + WAIT_S
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} was not shown in {self.seen!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                self._take()
        shown, _, self.seen = self.seen.partition(text)
        return shown + text

    def interrupt_until(self, text):
        """Press Ctrl-C until `text` is shown; the editor misses one that comes as it begins."""
        deadline = time.monotonic() + WAIT_S
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} was not shown in {self.seen!r}"
            os.killpg(self.process.pid, signal.SIGINT)
            if select.select([self.master], [], [], 0.5)[0]:
                self._take()
        return self.until(text)

    def type(self, line):
        """Type a line and read its echo."""
        os.write(self.master, line.encode() + b"\n")

    def say(self, line, prompt=">>> "):
        """Type a line at the prompt; give what is shown until the next prompt."""
        self.type(line)
        return self.until(prompt).replace("\r", "").removesuffix(prompt).partition("\n")[2]

    def wait(self):
        """Read to the end; give the exit status."""
        try:
            while self._take():
                pass
        except OSError:  # the other side is closed
            pass
        return self.process.wait(WAIT_S)

    def _take(self):
        data = os.read(self.master, 65536).decode(errors="replace")
        self.raw += data
        self.seen = _ESCAPES.sub("", self.seen + data)
        return data

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT_S)
        os.close(self.master)


@pytest.fixture
def terminal(server, tmp_path):
    opened = []

    def open_(*words, **more):
        ours = os.environ  # noqa: TID251 - what a process needs to start at all
        env = {name: ours[name] for name in ("PATH", "HOME", "LANG") if name in ours}
        env |= {
            "QUIRE_HOME": str(tmp_path),
            "QUIRE_PORT": str(server.port),
            "TERM": "xterm",
            "INPUTRC": "/dev/null",
            "COLUMNS": "80",
            **more,
        }
        command = [sys.executable, "-m", "app.cli.main", "run", *words]
        opened.append(Terminal(command, env))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def test_a_conversation_remembers_what_was_said(server, terminal, tmp_path):
    talk = terminal("m", "--keepalive", "5m")
    talk.until(">>> ")

    first = talk.say("hi")
    talk.say('"""one', prompt="... ")
    talk.say('two"""')
    talk.type("/bye")

    assert first == "Hello there.\n\n"
    assert talk.wait() == 0
    bodies = server.bodies("/api/chat")
    assert bodies[0]["messages"] == [{"role": "user", "content": "hi"}]
    assert bodies[1]["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello there."},
        {"role": "user", "content": "one\ntwo"},
    ]
    assert bodies[1]["keep_alive"] == "5m"
    assert (tmp_path / "history").read_text().splitlines()[-4:] == [
        "hi",
        '"""one',
        'two"""',
        "/bye",
    ]


def test_settings_reach_the_server_and_history_can_be_off(server, terminal, tmp_path):
    talk = terminal("m", OLLAMA_NOHISTORY="1")
    talk.until(">>> ")

    told = [
        talk.say(line)
        for line in (
            "/set system Sing.",
            "/set parameter top_k 3",
            "/set think high",
            "/set format json",
            "/set verbose",
        )
    ]
    answer = talk.say("hi")
    cleared = talk.say("/clear")
    os.write(talk.master, b"\x04")

    assert talk.wait() == 0
    assert told[0] == "Set system message.\n"
    (body,) = server.bodies("/api/chat")
    assert body["messages"][0] == {"role": "system", "content": "Sing."}
    assert (body["options"], body["think"], body["format"]) == ({"top_k": 3}, "high", "json")
    assert "eval rate:            20.00 tokens/s" in answer
    assert cleared == "Cleared session context\n"
    assert not (tmp_path / "history").exists()


def test_thoughts_are_shown_in_grey(server, terminal):
    server.thinking = ["Hmm."]
    talk = terminal("m")
    talk.until(">>> ")

    shown = talk.say("hi")

    assert shown == "Thinking...\nHmm.\n...done thinking.\n\nHello there.\n\n"
    assert "\x1b[38;5;245mHmm.\x1b[0m" in talk.raw


def test_ctrl_c_ends_the_answer_and_not_the_conversation(server, terminal):
    server.answer = ["word "] * 1000
    server.pause_s = 0.02
    talk = terminal("m")
    talk.until(">>> ")

    talk.type("hi")
    talk.until("word word")
    os.killpg(talk.process.pid, signal.SIGINT)
    talk.until(">>> ")
    server.answer, server.pause_s = ["Fine."], 0.0
    second = talk.say("and now?")
    talk.interrupt_until("Use Ctrl + d or /bye to exit.")

    assert server.gone.wait(WAIT_S)
    assert second == "Fine.\n\n"
    said = server.bodies("/api/chat")[1]["messages"][1]["content"]
    assert said.startswith("word word")
    assert len(said) < 1000


def test_parts_of_the_model_are_shown(server, terminal):
    server.tags = []
    talk = terminal("m")
    talk.until(">>> ")

    assert "architecture" in talk.say("/show info")
    assert talk.say("/show template") == "{{ .Prompt }}\n"
    assert talk.say("/show system") == "Be brief.\n"
    assert "Model defined parameters:" in talk.say("/show parameters")
    assert talk.say("/list").split() == ["NAME", "ID", "SIZE", "MODIFIED"]
    server.missing.add("nobody")
    assert "error: model 'nobody' not found" in talk.say("/load nobody")
    assert talk.say("/dance") == "Unknown command '/dance'. Type /? for help\n"


def test_a_session_is_saved_and_another_loaded(server, terminal):
    talk = terminal("m")
    talk.until(">>> ")
    talk.say("/set system Sing.")
    talk.say("hi")

    saved = talk.say("/save mine")
    server.show["messages"] = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello there."},
    ]
    loaded = talk.say("/load mine").replace(">>> ", "")
    talk.seen = ""
    talk.type("more")
    talk.until("Hello there.")
    talk.until(">>> ")
    talk.type("/save again")
    talk.until("Created new model 'again'")  # a prompt alone may be one of those before

    assert saved == "Created new model 'mine'\n"
    assert loaded.startswith("Loading model 'mine'")
    first, second = server.bodies("/api/create")
    assert first["from"] == "m"
    assert first["system"] == "Sing."
    assert first["messages"] == server.show["messages"]
    assert server.bodies("/api/chat")[1]["model"] == "mine"
    assert server.bodies("/api/chat")[1]["messages"] == [{"role": "user", "content": "more"}]
    assert [turn["content"] for turn in second["messages"]] == [
        "hi",
        "Hello there.",
        "more",
        "Hello there.",
    ]


def test_a_picture_in_the_prompt_is_shown_to_the_model(server, terminal, tmp_path):
    (tmp_path / "cat.png").write_bytes(b"\x89PNG")
    server.show["capabilities"] = ["completion", "vision"]
    talk = terminal("m")
    talk.until(">>> ")

    shown = talk.say(f"{tmp_path}/cat.png What is it?")

    assert "Added image '" in shown
    (asked,) = server.bodies("/api/chat")[0]["messages"]
    assert asked["content"] == "What is it?"
    assert len(asked["images"]) == 1


def test_progress_on_a_terminal_is_a_bar(server, terminal):
    server.missing.add("m")
    blob = {"status": "pulling aaaaaaaaaaaa", "digest": "sha256:a", "total": 2_000_000}
    server.steps = [
        {"status": "pulling manifest"},
        blob | {"completed": 2_000_000},
        {"status": "success"},
    ]

    talk = terminal("m", "hi")

    assert talk.wait() == 0
    assert "\u2501\u2501\u2501" in talk.seen
    assert "Hello there." in talk.seen
