"""The colours and letters of the pages, light and dark; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Fonts that the machine has: none is fetched. Chinese ones are named, since a browser that
# chooses by itself may take Japanese shapes.
FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC', 'Hiragino Sans GB', "
    "'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', 'Source Han Sans SC', sans-serif"
)
CODE_FONT = (
    "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', "
    "monospace"
)


@dataclass(frozen=True, slots=True)
class Palette:
    """One theme's colours, as #rrggbb."""

    primary: str  # buttons, links, what is chosen
    on_primary: str  # letters on a primary button
    background: str
    panel: str  # sidebar, fields
    text: str
    muted: str  # small print
    border: str
    link: str


LIGHT = Palette(
    primary="#1f7a5f",
    on_primary="#ffffff",
    background="#ffffff",
    panel="#f3f6f4",
    text="#1c2421",
    muted="#56615c",
    border="#85908b",
    link="#17664f",
)
DARK = Palette(
    primary="#33a17f",
    on_primary="#0c1512",
    background="#141917",
    panel="#1e2522",
    text="#e8eeeb",
    muted="#a5b1ab",
    border="#6c7a74",
    link="#6fd0b0",
)


def theme_options() -> dict[str, object]:
    """Return both themes as options of Streamlit; a browser follows its system's choice."""
    return {
        "theme.font": FONT,
        "theme.codeFont": CODE_FONT,
        "theme.baseRadius": "0.6rem",
        "theme.headingFontSizes": ["2rem", "1.5rem", "1.25rem", "1.1rem", "1rem", "1rem"],
        "theme.headingFontWeights": [600, 600, 600, 600, 600, 600],
        "theme.showWidgetBorder": True,
        "theme.showSidebarBorder": False,
        **_options("theme.light", LIGHT),
        **_options("theme.dark", DARK),
    }


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21.

    Source: WCAG 2.2, "contrast ratio" and "relative luminance".
    """
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _options(section: str, palette: Palette) -> Mapping[str, object]:
    return {
        f"{section}.primaryColor": palette.primary,
        f"{section}.backgroundColor": palette.background,
        f"{section}.secondaryBackgroundColor": palette.panel,
        f"{section}.textColor": palette.text,
        f"{section}.linkColor": palette.link,
        f"{section}.borderColor": palette.border,
        f"{section}.sidebar.backgroundColor": palette.panel,
        f"{section}.sidebar.secondaryBackgroundColor": palette.background,
    }
