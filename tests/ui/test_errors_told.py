import httpx
import pytest

from ui.client import _refusal
from ui.errors import RefusedError
from ui.format import error_text
from ui.state import kept_language, kept_theme
from ui.words import Words


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("status", [401, 403, 404, 408, 413, 429, 503, 507])
def test_each_refusal_has_a_sentence_of_its_own(language, status):
    words = Words(language)

    told = error_text(RefusedError(status, "because <b>so</b>"), words)

    assert "because" in told
    assert told != error_text(RefusedError(400, "because <b>so</b>"), words)


@pytest.mark.parametrize(
    ("status", "wait", "told"),
    [(429, 40.0, "Try again in 40 s."), (503, 0.0, "Try again in 1 s."), (429, -5.0, "in 1 s.")],
)
def test_how_long_to_wait_is_told(status, wait, told):
    assert told in error_text(RefusedError(status, "too much", wait), Words("en"))


@pytest.mark.parametrize(
    ("header", "expected"), [("30", 30.0), ("", None), ("soon", None), ("-3", None), ("²", None)]
)
def test_the_servers_wait_is_read(header, expected):
    headers = {"retry-after": header.encode()} if header else {}

    assert _refusal(httpx.Response(429, headers=headers)).retry_after_s == expected


def test_what_was_chosen_before_goes_before_the_browsers_language():
    assert kept_language("zh", "en-US") == "zh"
    assert kept_language("", "zh-CN") == "zh"
    assert kept_language("<script>", "en-US") == "en"
    assert [kept_theme(one) for one in ("dark", "", "\0")] == ["dark", "system", "system"]
