import pytest

from app.modelfiles import check_modelfile, line_of


def checked(text):
    return check_modelfile(text, lambda name: name == "smollm2:135m")


def test_a_good_modelfile_becomes_a_request():
    found = checked(
        'FROM smollm2:135m\nSYSTEM """You are\nshort."""\nPARAMETER temperature 0.2\n'
        "PARAMETER stop END\nMESSAGE user Hello\nLICENSE free"
    )

    assert found.mistakes == ()
    assert found.request == {
        "from": "smollm2:135m",
        "system": "You are\nshort.",
        "license": ["free"],
        "parameters": {"temperature": 0.2, "stop": ["END"]},
        "messages": [{"role": "user", "content": "Hello"}],
    }


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 0, "no FROM line"),
        ("FROM smollm2:135m\nNONSENSE x", 2, "command must be one of"),
        ("FROM smollm2:135m\nMESSAGE robot hello", 2, "message role"),
        ("FROM smollm2:135m\n\nPARAMETER warmth 1", 3, "unknown parameter 'warmth'"),
        ("FROM smollm2:135m\nPARAMETER temperature hot", 2, "invalid float value [hot]"),
        ("FROM smollm2:135m\nREQUIRES soon", 2, "semver"),
        ('FROM smollm2:135m\nSYSTEM """never ends', 2, "unexpected EOF"),
        ("# note\nFROM absent", 2, "not installed"),
        ("FROM /etc/passwd", 1, "files are sent by the command"),
        ("FROM ./model.gguf", 1, "files are sent by the command"),
        ("FROM smollm2:135m\nADAPTER /etc/shadow", 2, "files are sent by the command"),
        ("FROM smollm2:135m\nDRAFT x.gguf", 2, "files are sent by the command"),
        ("<script>alert(1)</script>", 1, "command must be one of"),
        ("\u202eFROM x", 1, "command must be one of"),
    ],
)
def test_a_mistake_is_told_with_its_line(text, line, said):
    (mistake,) = checked(text).mistakes

    assert mistake.line == line
    assert said in mistake.text
    assert "(line" not in mistake.text


def test_a_line_is_found_by_keyword_and_value():
    assert line_of("FROM a\nfrom b", "from", "b") == 2
    assert line_of("FROM a", "system") == 0
