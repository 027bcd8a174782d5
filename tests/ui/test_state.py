from ui.shapes import Reply
from ui.state import MAX_HISTORY, MAX_TURNS, N_HISTORY, Session, Turn, history


def done(question: str, answer: str) -> Turn:
    return Turn(question, "default", "done", reply=Reply(answer))


def test_only_finished_exchanges_go_along():
    turns = [done("q1", "a1 [1]"), Turn("q2", "default", "stopped", "half"), done("q3", "a3")]

    assert [one["content"] for one in history(turns)] == ["q1", "a1", "q3", "a3"]


def test_the_history_is_bounded_in_number_and_length():
    turns = [done(f"q{at}", "a" * 9999) for at in range(N_HISTORY + 3)]

    told = history(turns)

    assert len(told) == 2 * N_HISTORY
    assert told[0]["content"] == "q3"
    assert len(told[1]["content"]) == MAX_HISTORY


def test_a_very_long_conversation_lets_its_oldest_questions_go():
    session = Session("en")

    for at in range(MAX_TURNS + 2):
        session.ask(f"q{at}")

    assert (len(session.turns), session.turns[0].question) == (MAX_TURNS, "q2")
