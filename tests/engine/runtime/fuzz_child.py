"""A model and a list of options as JSON in: say a little with each; an exit status out.

Runs in a child process: llama.cpp would end the test run with itself.
"""

import json
import sys
from pathlib import Path

from engine.errors import EngineError
from engine.runtime.gate import Gate
from engine.runtime.runners import ChatRunner
from engine.types import Options
from tests.engine.runtime.conftest import plan_of, say

GRAMMARS = [None, 'root ::= [a-z]+ "." | "知"', 'root ::= "x"']


def main(path: str) -> int:
    runner = ChatRunner(plan_of(Path(path), n_ctx=64), Gate())
    n_said = 0
    for at, changes in enumerate(json.load(sys.stdin)):
        changes = {
            name: tuple(map(tuple, value)) if name == "logit_bias" else value
            for name, value in changes.items()
        }
        if "dry_sequence_breakers" in changes:
            changes["dry_sequence_breakers"] = tuple(changes["dry_sequence_breakers"])
        try:
            say(
                runner,
                "aaaa bbb aaaa bbb",
                Options(**changes),
                limit=12,
                grammar=GRAMMARS[at % 3],
                grammar_after="e" if at % 2 else None,
            )
            n_said += 1
        except EngineError as error:
            if "option" not in str(error) and "grammar" not in str(error):
                raise
    runner.close()
    sys.stdout.write(str(n_said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
