"""Pictures and sounds through tiny projectors of every kind."""

import pytest

from engine.errors import LoadError, PromptTooLongError, RequestError
from engine.runtime.samples import silence, white_picture
from tests.engine.runtime.conftest import generation, say
from tests.engine.runtime.tiny_models import picture

RED, BLACK = picture(), picture(color=(0, 0, 0))
KINDS = [
    ("chat.gguf", "mlp.gguf"),
    ("chat.gguf", "gemma3.gguf"),
    ("mrope.gguf", "qwen2vl_merger.gguf"),
]


@pytest.fixture(params=KINDS, ids=[kind for _, kind in KINDS])
def seeing(request, load, tiny):
    model, projector = request.param
    return load(model, projectors=(tiny / projector,))


def test_a_picture_is_seen_and_another_one_is_seen_differently(seeing):
    red, black = (say(seeing, "What is [img-0]?", images=[one]) for one in (RED, BLACK))

    assert red.text
    assert red.text != black.text
    assert red.final.n_prompt == len(seeing.prompt("What is [img-0]?", [RED], add_special=True))


def test_an_equal_picture_is_computed_once_a_different_one_anew(seeing):
    first = say(seeing, "What is [img-0] here?", images=[RED])
    begin = seeing.prompt("What is [img-0] here?", [RED], add_special=True).media[0].begin

    again = say(seeing, "What is [img-0] here?", images=[RED])
    other = say(seeing, "What is [img-0] here?", images=[BLACK])

    assert again.final.n_reused == again.final.n_prompt - 1
    assert again.text == first.text
    assert other.final.n_reused == begin


def test_what_was_reused_says_the_same_as_what_was_not(seeing, load, tiny):
    say(seeing, "What is [img-0] in this one", images=[RED])

    reused = say(seeing, "What is [img-0] and where", images=[RED])

    seeing.worker._context.forget_all()
    for slot in seeing.worker._slots:
        slot.clear()
    assert reused.final.n_reused > 4
    assert say(seeing, "What is [img-0] and where", images=[RED]).text == reused.text


def test_pictures_stand_where_their_markers_are(seeing):
    one = seeing.prompt("a [img-1] b [img-0] c", [RED, BLACK], add_special=True)
    other = seeing.prompt("a [img-0] b [img-1] c", [BLACK, RED], add_special=True)

    assert one.tokens == other.tokens
    assert len({token for token in one.tokens if token < 0}) == 2


def test_a_prompt_may_end_with_a_picture_and_need_not_name_it(seeing):
    assert say(seeing, "[img-0]", images=[RED]).text
    assert say(seeing, "Describe.", images=[RED]).final.n_prompt > 10


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_usual_kind_of_file_is_read(load, tiny, kind):
    runner = load("chat.gguf", projectors=(tiny / "mlp.gguf",))

    assert say(runner, "[img-0] What?", images=[picture(kind)]).text


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([RED, RED[:60]], "image 2: the file is damaged"),
        ([b"nonsense"], "image 1 is of no known kind; send PNG"),
        ([b""], "image 1 is of no known kind"),
        ([picture("JPEG")[:200]], "image 1: the file is damaged"),
        ([silence()], r"image 1: this model does not take sound \(wav\)"),
    ],
)
def test_what_cannot_be_seen_is_refused_by_number(load, tiny, files, message):
    runner = load("chat.gguf", projectors=(tiny / "mlp.gguf",))

    with pytest.raises(RequestError, match=message):
        runner.prompt("[img-0] [img-1]", files, add_special=True)


def test_a_model_without_projector_takes_no_images(tiny_chat):
    with pytest.raises(RequestError, match="does not take images"):
        tiny_chat.prompt("[img-0]", [RED], add_special=True)

    assert not tiny_chat.can_see


def test_a_projector_of_another_model_is_refused_with_the_reason(load, tiny):
    with pytest.raises(LoadError, match=r"other-mlp.gguf: .* mismatch between text model"):
        load("chat.gguf", projectors=(tiny / "other-mlp.gguf",))


def test_a_sound_is_heard(load, tiny):
    runner = load("chat.gguf", projectors=(tiny / "ultravox.gguf",), n_ctx=512)

    said = say(runner, "[img-0] What was said?", images=[silence()])

    assert runner.can_hear
    assert not runner.can_see
    assert said.text
    assert said.final.n_prompt > 100


def test_a_context_with_pictures_does_not_shift(seeing):
    said = say(seeing, "[img-0] Go on.", images=[white_picture()], limit=1000, is_shifting=True)

    assert said.final.done_reason == "length"
    assert said.final.n_prompt + said.final.n_generated <= seeing.n_ctx


def test_a_picture_that_does_not_fit_is_refused_before_it_is_computed(load, tiny):
    runner = load("chat.gguf", projectors=(tiny / "gemma3.gguf",), n_ctx=32)

    with pytest.raises(PromptTooLongError):
        say(runner, "[img-0]", images=[RED])


def test_streams_go_on_while_pictures_wait(seeing):
    stream = seeing.worker.stream(generation(seeing, "A long story", limit=100))
    next(stream)

    assert say(seeing, "[img-0] [img-1] Which?", images=[RED, BLACK]).text
    assert sum(1 for _ in stream) > 10
