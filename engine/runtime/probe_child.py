"""A trial's JSON in, an exit status out: 0 it computes, 3 refused with a reason, else a crash."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from engine.errors import EngineError
from engine.runtime.batch_native import Batch
from engine.runtime.host_memory import host_memory
from engine.runtime.llama import Context, Model, build_features
from engine.runtime.placement import Placement
from engine.runtime.probe_process import REFUSED
from engine.runtime.sampler_native import Sampler
from engine.runtime.samples import silence, white_picture
from engine.types import Json, Options

_N_CTX = 64  # tokens that a trial computes with
_N_THREADS = 2
_LEAST_MEMORY_BYTES = 1 << 30
# Words, a newline, digits, accents, CJK, an emoji and what only bytes can say.
_TEXT = "probe of a model\n 12,345 naïve 知识 🙂\t\x07"


def main(said: str) -> int:
    """Load the files, compute a few tokens, and encode a picture or a sound where one is taken."""
    trial = json.loads(said)
    _end_with_parent()
    _be_modest(trial["cpu_s"])
    is_embedding = trial["kind"] != "chat"
    options = Options(num_gpu=trial["num_gpu"])
    try:
        for number, path in enumerate([trial["path"], *trial["drafts"]]):
            adapters = [] if number else [Path(one) for one in trial["adapters"]]
            model = Model(Path(path), options, adapters=adapters, **trial["model"])
            _read_vocabulary(model)
            settings = trial["context"]
            placement = _placement(model, settings, trial["num_gpu"]) if settings else None
            _compute(model, placement, is_embedding=is_embedding)
            if not number:
                for one in trial["projectors"]:
                    _try_projector(model, Path(one), is_on_gpu=trial["num_gpu"] != 0)
    except EngineError as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return REFUSED
    return 0


def _end_with_parent() -> None:
    """End when our input does, which nobody writes to: then the parent is gone."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(REFUSED + 1)

    threading.Thread(target=watch, daemon=True).start()


def _be_modest(cpu_s: int) -> None:
    """Take no more of the processor and of the memory than there is for us.

    Where memory runs out all the same, the system shall end this process, not the server. Address
    space is not limited: mapped files and what GPU drivers reserve would count.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        import resource
    except ImportError:  # Windows
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
        if build_features()["gpu_offload"] == "no" and (free := host_memory().free_bytes):
            room = max(free, _LEAST_MEMORY_BYTES)
            resource.setrlimit(resource.RLIMIT_DATA, (room, room))


def _read_vocabulary(model: Model) -> None:
    """Do everything that later happens with the vocabulary alone."""
    tokens = model.tokenize(_TEXT, add_special=True, parse_special=True)
    if any(not 0 <= one < model.n_vocab for one in tokens):
        raise EngineError("the model's tokenizer gives tokens that the model does not have")
    model.detokenize(tokens)
    model.bos_eos()
    model.suppressed_tokens()
    for token in range(model.n_vocab):
        model.piece(token)
        model.raw(token)
        model.is_end(token)
    model.chat_template()


def _compute(model: Model, placement: Placement | None, *, is_embedding: bool) -> None:
    """Compute a text in two sequences, then draw a token and compute that."""
    context = Context(
        model,
        n_ctx=_N_CTX,
        n_sequences=2,
        n_batch=_N_CTX,
        n_threads=_N_THREADS,
        is_embedding=is_embedding,
        placement=placement,
    )
    tokens = model.tokenize(_TEXT, add_special=True, parse_special=False)[:16] or [0]
    batch = Batch(2 * _N_CTX)
    for sequence in (0, 1):
        batch.extend(tokens, 0, sequence, n_outputs=len(tokens) if is_embedding else 1)
    context.decode(batch)
    if is_embedding:
        return
    sampler = Sampler(model, Options(seed=1), n_ctx=_N_CTX)
    sampler.accept_prompt(tokens)
    drawn = sampler.sample(context, len(tokens) - 1)
    batch.clear()
    batch.extend([drawn], len(tokens), 0, n_outputs=1)
    context.decode(batch)


def _placement(model: Model, settings: Json, n_gpu_layers: int) -> Placement:
    """Keep the cache as it will be kept; where the layers lie is settled by then."""
    return Placement(
        n_ctx=_N_CTX,
        n_slots=2,
        n_gpu_layers=n_gpu_layers,
        n_all_layers=model.n_layers + 1,
        tensor_split=(),
        main_gpu=0,
        uses_mmap=True,
        is_projector_on_gpu=False,
        shares=(),
        **{"cache_type": "f16", "flash_attention": None, **settings},  # type: ignore[arg-type]
    )


def _try_projector(model: Model, path: Path, *, is_on_gpu: bool) -> None:
    """Encode only: a large text model needs minutes for the hundreds of tokens of a picture."""
    from engine.runtime.mtmd_native import Projector  # another library, seldom needed

    projector = Projector(path, model, n_threads=_N_THREADS, is_on_gpu=is_on_gpu)
    files = [white_picture()] * projector.can_see + [silence()] * projector.can_hear
    for file in files:
        projector.encode(projector.prompt("[img-0]", [file], add_special=True).media[0])


if __name__ == "__main__":
    # Not sys.exit: freeing what crashed half-way is not what is tried.
    status = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(status)
