"""A model file in, an exit status out: 0 it computes, 3 refused with a reason, else a crash."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.errors import EngineError
from engine.runtime.llama import Batch, Context, Model
from engine.types import Options


def main(path: str, is_embedding: str, num_gpu: str, has_extra_buffers: str) -> int:
    """Load the file and compute a few tokens."""
    options = Options(num_gpu=int(num_gpu))
    try:
        model = Model(Path(path), options, has_extra_buffers=has_extra_buffers == "1")
        context = Context(
            model,
            n_ctx=64,
            n_sequences=1,
            n_batch=64,
            n_threads=2,
            is_embedding=is_embedding == "1",
        )
        tokens = model.tokenize("probe of a model", add_special=True, parse_special=False)[:32]
        batch = Batch(64)
        for position, token in enumerate(tokens or [0]):
            batch.add(token, position, 0, wants_output=True)
        context.decode(batch)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
