"""A process made to be killed: ingests a generated corpus, or goes on with it."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel, load_plain

N_FILES = 60


def text_of(number: int) -> str:
    # Every file shares its first paragraphs with others, so that vectors are shared as well.
    paragraphs = [f"# File {number}"]
    paragraphs += [f"Shared passage {number // 3} {n}. " + "word " * 30 for n in range(10)]
    paragraphs += [f"Own passage {number} {n}. " + "other " * 30 for n in range(15)]
    return "\n\n".join(paragraphs)


def main() -> None:
    embedder = FakeModel().embedder()
    kb = KnowledgeBase(
        Path(sys.argv[2]), embedder, chunk_tokens=60, max_file_bytes=10**6, load=load_plain
    )
    if not kb.jobs():
        kb.submit("default", [(f"{n}.txt", text_of(n).encode()) for n in range(N_FILES)])
    sys.stdout.write(f"{kb.jobs()[0].id}\n")
    sys.stdout.flush()
    kb.wait(kb.jobs()[0].id, 100)
    sys.stdin.read()


if __name__ == "__main__":
    main()
