"""Secrets and control characters do not get into a log, however they are written."""

import pytest

from app.redacting import one_line, redacted

SECRET = "s3cr3tValueThatNobodyMaySee0123456789abcdefg"


@pytest.mark.parametrize(
    "text",
    [
        f"qk_abcdefgh_{SECRET}",
        f"qs_abcdefgh_{SECRET} and more",
        f"qk_{SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"authorization: Basic {SECRET}",
        f"AUTHORIZATION={SECRET}",
        f"{{'authorization': 'Bearer {SECRET}', 'accept': '*/*'}}",
        f"(b'authorization', b'{SECRET}')",
        f'{{"x-api-key": "{SECRET}"}}',
        f"X-API-Key:{SECRET}",
        f"cookie: a=b; quire_session={SECRET}; c=d",
        f"Set-Cookie: quire_session={SECRET}; HttpOnly",
        f"quire_session={SECRET}",
        f"GET https://joe:{SECRET}@example.org/x failed",
        f"postgres://{SECRET}@host/db",
        f"url=HTTP://u:{SECRET}@h",
        f"password={SECRET}",
        f"'api_key': '{SECRET}'",
        f"token: {SECRET}",
        f"sk-{SECRET}",
        f"hf_{SECRET}",
        f"bearer {SECRET}",
    ],
)
def test_no_secret_is_left(text):
    assert SECRET not in redacted(text)
    assert SECRET[:12] not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "model loaded name=smollm2:135m kind=chat",
        "n_tokens=1234 of 4096",
        "https://example.org/a@b says 404",
        "the basic rules of cookies",
        "request_failed path=/kb/query",
        "3 tokens: a, b, c",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_the_id_of_a_key_may_be_seen():
    assert redacted(f"revoked qk_abcdefgh_{SECRET}") == "revoked qk_abcdefgh_***"


@pytest.mark.parametrize(
    "hostile",
    ["a\nerror: forged", "a\r\nb", "a\x1b[2Jb", "a\u2028b", "a\u202eb", "a\x00b", "a\x85b"],
)
def test_nothing_can_begin_a_line_or_steer_a_terminal(hostile):
    line = one_line(hostile)

    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_lines_are_bounded():
    assert len(one_line("x" * 10_000)) == 2000
