import pytest

from engine.errors import RuntimeFailedError
from engine.runtime.batch_native import Batch
from engine.runtime.interrupt_native import Interrupt
from engine.runtime.llama import Context, Model
from engine.types import Options


def test_a_step_ends_without_a_result_and_the_next_one_is_not_concerned(starter_models):
    from engine.library.store import Library

    path = Library(starter_models).find("all-minilm").model_path
    with Model(path, Options()) as model:
        context = Context(
            model, n_ctx=64, n_sequences=1, n_batch=64, n_threads=1, is_embedding=True
        )
        batch, interrupt = Batch(64), Interrupt()
        batch.extend(
            model.tokenize("a text", add_special=True, parse_special=False), 0, 0, n_outputs=4
        )

        with interrupt.watched(context):
            context.decode(batch)  # nobody asked for an end
        before = context.embedding(0)
        interrupt.set()
        with interrupt.watched(context), pytest.raises(RuntimeFailedError, match="aborted"):
            context.decode(batch)
        context.decode(batch)

        assert interrupt.is_set
        assert context.embedding(0).tolist() == before.tolist()
        context.close()
