from dataclasses import fields

import pytest

from ui.palette import CODE_FONT, DARK, FONT, LIGHT, Palette, contrast, theme_options

TEXT, LARGE = 4.5, 3.0  # WCAG 2.2 AA: letters; parts of controls


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("#000000", "#ffffff", 21.0), ("#ffffff", "#ffffff", 1.0), ("#777777", "#ffffff", 4.48)],
)
def test_contrast_is_that_of_the_standard(one, other, expected):
    assert contrast(one, other) == pytest.approx(expected, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_all_letters_can_be_read(palette: Palette):
    for ground in (palette.background, palette.panel):
        for letters in (palette.text, palette.muted, palette.link):
            assert contrast(letters, ground) >= TEXT, (letters, ground)
        for part in (palette.border, palette.primary):
            assert contrast(part, ground) >= LARGE, (part, ground)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_letters_on_a_button_can_be_read(palette: Palette):
    assert contrast(palette.on_primary, palette.primary) >= TEXT


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_what_is_chosen_is_written_in_the_main_colour_and_can_be_read(palette: Palette):
    for ground in (palette.background, palette.panel):
        assert contrast(palette.primary, ground) >= TEXT


def test_both_themes_are_set_whole():
    told = theme_options()
    for theme in ("light", "dark"):
        assert {f"theme.{theme}.{one}" for one in ("primaryColor", "backgroundColor")} <= set(told)
    colors = [getattr(one, field.name) for one in (LIGHT, DARK) for field in fields(one)]
    assert all(len(color) == 7 and color.startswith("#") for color in colors)


def test_every_option_is_one_that_streamlit_knows():
    from streamlit import config

    from ui.server import _OPTIONS

    known = set(config.get_config_options())
    assert set(theme_options()) | set(_OPTIONS) <= known


def test_fonts_are_the_machines_own_and_chinese_ones_are_named():
    for font in (FONT, CODE_FONT):
        assert "http" not in font
        assert "CJK SC" in font
