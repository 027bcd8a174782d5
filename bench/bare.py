"""Model files in, the plainest loops over llama.cpp out: no gate, no queue, no HTTP."""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from pathlib import Path

STEP_TOKENS = 512  # the same that the engine takes for embeddings
N_PROMPT, N_STEPS = 128, 64


@contextmanager
def embedder(path):
    """Load a model; give a function that embeds texts and returns their vectors."""
    import numpy as np

    from engine.runtime.batch_native import Batch
    from engine.runtime.llama import Context, Model
    from engine.runtime.runners import physical_cores
    from engine.types import Options

    with Model(Path(path), Options()) as model:
        context = Context(
            model,
            n_ctx=STEP_TOKENS,
            n_sequences=64,
            n_batch=STEP_TOKENS,
            n_threads=physical_cores(),
            is_embedding=True,
        )
        batch = Batch(STEP_TOKENS)

        def compute(group):
            batch.clear()
            for sequence, tokens in enumerate(group):
                batch.extend(tokens, 0, sequence, n_outputs=len(tokens))
            context.forget_all()
            context.decode(batch)
            return [context.embedding(sequence) for sequence in range(len(group))]

        def embed(texts):
            found, group = [], []
            for text in texts:
                tokens = model.tokenize(text, add_special=True, parse_special=False)[:256]
                if sum(map(len, group)) + len(tokens) > STEP_TOKENS:
                    found += compute(group)
                    group = []
                group.append(tokens)
            found += compute(group)
            vectors = np.array(found)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

        try:
            yield embed
        finally:
            batch.close()
            context.close()


def step_s(path, n_streams, runs):
    """Tell the median seconds of a step of so many streams: decode, then draw a token each."""
    from engine.runtime.batch_native import Batch
    from engine.runtime.llama import Context, Model
    from engine.runtime.runners import physical_cores
    from engine.runtime.sampler_native import Sampler
    from engine.types import Options

    options = Options(temperature=0.8, top_p=0.95, top_k=40, logit_bias=(("2", -100.0),))
    with Model(Path(path), options) as model:
        context = Context(
            model,
            n_ctx=2 * (N_PROMPT + N_STEPS),
            n_sequences=n_streams,
            n_batch=512,
            n_threads=physical_cores(),
        )
        batch = Batch(512)
        samplers = [Sampler(model, options) for _ in range(n_streams)]
        steps = []
        for run in range(runs):
            context.forget_all()
            tokens = [_prompt(context, batch, samplers[n], n, run) for n in range(n_streams)]
            for position in range(N_PROMPT, N_PROMPT + N_STEPS):
                began_s = time.perf_counter()
                batch.clear()
                for sequence, token in enumerate(tokens):
                    batch.add(token, position, sequence, wants_output=True)
                context.decode(batch)
                tokens = [one.sample(context, at) for at, one in enumerate(samplers)]
                steps.append(time.perf_counter() - began_s)
        for one in samplers:
            one.close()
        batch.close()
        context.close()
    return statistics.median(steps)


def _prompt(context, batch, sampler, sequence, run):
    batch.clear()
    prompt = [(7 * at + 31 * sequence + run) % 1000 + 300 for at in range(N_PROMPT)]
    batch.extend(prompt, 0, sequence, n_outputs=1)
    context.decode(batch)
    return sampler.sample(context, N_PROMPT - 1)
