from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.stream import MAX_REPEATS, TextStream, longest_open


def shown(pieces, stops=()):
    stream = TextStream(stops)
    said = []
    for piece in pieces:
        said.append(stream.push(piece))
        if stream.is_stopped:
            break
    return [*said, stream.finish()]


def test_characters_are_never_cut():
    data = "知识库".encode()

    said = shown([data[:4], data[4:5], data[5:]])

    assert said == ["知", "", "识库", ""]


def test_a_stop_string_never_appears_even_in_parts():
    assert "".join(shown([b"Hello<", b"|im_", b"end|> more"], ["<|im_end|>"])) == "Hello"


def test_what_only_looked_like_a_stop_is_shown_later():
    assert "".join(shown([b"a <", b"b> c"], ["<|im_end|>"])) == "a <b> c"


def test_broken_bytes_become_replacement_characters():
    assert "".join(shown([b"a\xff", b"b"])) == "a\ufffdb"


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=4), max_size=3), st.data())
def test_what_is_shown_is_the_text_up_to_the_first_stop(text, stops, data):
    encoded = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=8)))
    bounds = [0, *cuts, len(encoded)]
    pieces = [encoded[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]

    said = "".join(shown(pieces, stops))

    assert not any(stop in said for stop in stops)
    assert text.startswith(said)
    if not any(stop in text for stop in stops):
        assert said == text


def test_a_model_that_repeats_itself_is_stuck():
    stream = TextStream([])
    for _ in range(MAX_REPEATS + 2):
        stream.push(b"la ")

    assert stream.is_stuck


def test_a_repeated_character_of_several_tokens_counts_too():
    stream = TextStream([])
    for _ in range(MAX_REPEATS + 2):
        for byte in "🌛".encode():
            stream.push(bytes([byte]))

    assert stream.is_stuck


def test_longest_open_finds_the_longest_beginning():
    assert longest_open("xa<|", ["<|im|>", "a<|b"]) == 3
    assert longest_open("nothing", ["<|im|>"]) == 0
