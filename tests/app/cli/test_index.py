import pytest
import typer
from typer.testing import CliRunner

from app.api.index_wire import CompactionOut
from app.cli.index import _ask, build_index


class Server:
    """Stands for the client: gives one answer after the other, keeps what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def post(self, path, body, shape):
        self.asked.append(path)
        return self.answers.pop(0)

    def get(self, path, shape):
        self.asked.append(path)
        return self.answers.pop(0)


def test_the_command_waits_until_the_server_is_done():
    server = Server(CompactionOut(is_done=False), CompactionOut(is_done=True))

    _ask(server, "rebuild")

    assert server.asked == ["/kb/index/rebuild", "/kb/index"]


def test_a_failed_step_ends_with_its_reason(capsys):
    server = Server(CompactionOut(is_done=True, failed="OSError: disk full"))

    with pytest.raises(typer.Exit) as ended:
        _ask(server, "compact")

    assert ended.value.exit_code == 1
    assert "disk full" in capsys.readouterr().err


def test_the_help_names_both_commands():
    shown = CliRunner().invoke(build_index(), ["--help"]).output

    assert "rebuild" in shown
    assert "compact" in shown
