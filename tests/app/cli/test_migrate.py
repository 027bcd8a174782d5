import pytest

from app.api.migrations_wire import MigrationOut
from app.cli.migrate import line_of


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"state": "done", "can_revert": True}, "done; `quire migrate --revert` goes back"),
        ({"state": "done"}, "done"),
        ({"state": "running", "eta_s": 90.0}, "running, 1 of 2 documents, about 1:30 left"),
        ({"state": "waiting"}, "waiting, 1 of 2 documents"),
        ({"state": "failed", "message": "no room"}, "failed with 1 of 2 documents done: no room"),
    ],
)
def test_a_migration_is_told_in_one_line(more, told):
    fields = {"collection": "c", "from_model": "a", "to_model": "b", "n_done": 1, "n_documents": 2}

    assert line_of(MigrationOut(**fields, **more)) == f"c: a -> b: {told}"


def test_the_command_wants_one_thing_at_a_time(quire):
    for words in ((), ("--to", "m", "--revert"), ("--status", "--revert")):
        answer = quire("migrate", *words)

        assert answer.exit_code == 2
        assert "--to MODEL" in answer.output
