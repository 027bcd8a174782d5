"""A trial's JSON in, an exit status out: 0 it computes, 3 refused with a reason, else a crash."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from engine.errors import EngineError
from engine.runtime.llama import Batch, Context, Model
from engine.runtime.samples import silence, white_picture
from engine.types import Options

_N_CTX = 64  # tokens that a trial computes with
_N_THREADS = 2


def main(said: str) -> int:
    """Load the files, compute a few tokens, and encode a picture or a sound where one is taken."""
    trial = json.loads(said)
    try:
        model = Model(
            Path(trial["path"]),
            Options(num_gpu=trial["num_gpu"]),
            has_extra_buffers=trial["has_extra_buffers"],
            adapters=[Path(one) for one in trial["adapters"]],
        )
        _try_text(model, is_embedding=trial["kind"] != "chat")
        for one in trial["projectors"]:
            _try_projector(model, Path(one), is_on_gpu=trial["num_gpu"] != 0)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


def _try_text(model: Model, *, is_embedding: bool) -> None:
    context = Context(
        model,
        n_ctx=_N_CTX,
        n_sequences=1,
        n_batch=_N_CTX,
        n_threads=_N_THREADS,
        is_embedding=is_embedding,
    )
    tokens = model.tokenize("probe of a model", add_special=True, parse_special=False)[:32]
    batch = Batch(_N_CTX)
    for position, token in enumerate(tokens or [0]):
        batch.add(token, position, 0, wants_output=True)
    context.decode(batch)


def _try_projector(model: Model, path: Path, *, is_on_gpu: bool) -> None:
    """Encode only: a large text model needs minutes for the hundreds of tokens of a picture."""
    from engine.runtime.mtmd_native import Projector  # another library, seldom needed

    projector = Projector(path, model, n_threads=_N_THREADS, is_on_gpu=is_on_gpu)
    files = [white_picture()] * projector.can_see + [silence()] * projector.can_hear
    for file in files:
        projector.encode(projector.prompt("[img-0]", [file], add_special=True).media[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
