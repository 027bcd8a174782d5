"""What `quire ask` prints beside the answer itself."""

from __future__ import annotations

import pytest

from app.api.query_wire import AnswerOut, CitationOut, RewrittenOut
from app.cli.ask import tell_answer


class Server:
    """Streams one finished answer."""

    def __init__(self, mode):
        text = "The beacon burns whale oil."
        cited = CitationOut(
            n=1,
            document_id="d",
            path="log.pdf",
            page=2,
            start=0,
            end=27,
            text=text,
            page_label="ii",
        )
        self.answer = AnswerOut(
            answer=f"{text} [1]",
            sentences=[],
            citations=[cited],
            refused=False,
            mode=mode,
            passages=[],
            rewritten=RewrittenOut(standalone="", keywords="", by="none"),
            timings={},
            models={},
        )

    def events(self, path, body):
        yield "token", '{"text": "The beacon burns whale oil. [1]"}'
        yield "done", self.answer.model_dump_json()


@pytest.mark.parametrize(("mode", "is_quoted"), [("extractive", True), ("generated", False)])
def test_a_quotation_is_said_to_be_one(capsys, mode, is_quoted):
    tell_answer(Server(mode), {})

    told = capsys.readouterr().out
    assert ("Quoted from your documents word for word; no model wrote this." in told) is is_quoted
    assert told.startswith("The beacon burns whale oil. [1]\n")


def test_a_citation_names_what_is_printed_on_its_page(capsys):
    tell_answer(Server("generated"), {})

    assert "[1] log.pdf, page 2 (printed ii), characters 0-27" in capsys.readouterr().out
