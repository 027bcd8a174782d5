"""The page that a browser loads first: Streamlit's, under Quire's name and with a first look; pure.

Streamlit's own page paints nothing until its scripts have run, fetches a font that is not used
here, and names Streamlit.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from ui.palette import DARK, FONT, LIGHT, Palette

FRAME_SCRIPT = "quire.js"  # beside this file in `assets`; served under static/
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="64" height="64">'
    '<rect width="24" height="24" rx="5" fill="#1f7a5f"/>'
    '<path d="M6 6.5c2.2-.8 4.2-.6 6 .8 1.8-1.4 3.8-1.6 6-.8v10.6c-2.2-.8-4.2-.6-6 .8'
    '-1.8-1.4-3.8-1.6-6-.8z" fill="#fff"/><path d="M12 7.3v10.6" stroke="#1f7a5f"/></svg>'
)
# What is taken out of the page: each is missing without harm in another version of Streamlit.
_AWAY = (
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"<script>.*?</script>", re.DOTALL),  # for crawlers; nothing runs inline here
    re.compile(r'<link\s+rel="preload"[^>]*as="font"[^>]*>', re.DOTALL),
    re.compile(r'<link\s+rel="(?:shortcut icon|service-desc)"[^>]*>', re.DOTALL),
    re.compile(r"<noscript>.*?</noscript>", re.DOTALL),
)
_HEAD, _ROOT = "<title>Streamlit</title>", '<div id="root"></div>'


def shell(page: str, version: str) -> str:
    """Return the first page to send.

    Args:
        page: Streamlit's own; if it is not as expected, it is returned as it is.
        version: names what the frame's script holds, so that browsers may keep it.
    """
    if _HEAD not in page or _ROOT not in page:
        return page
    for pattern in _AWAY:
        page = pattern.sub("", page)
    icon = f"data:image/svg+xml,{quote(ICON)}"
    head = (
        f'<title>Quire</title><link rel="icon" href="{icon}"><meta name="color-scheme" '
        f'content="light dark"><style>{_splash_style()}</style>'
        f'<script src="./static/{FRAME_SCRIPT}?{version}"></script>'
    )
    first = f'<div class="q-splash" role="status" aria-label="Quire">{ICON}<b>Quire</b></div>'
    none = "<noscript>Quire needs JavaScript. · Quire 需要 JavaScript。</noscript>"
    page = page.replace(_HEAD, head).replace(_ROOT, f'{none}<div id="root">{first}</div>')
    return re.sub(r"\n\s*\n+", "\n", page)


def _splash_style() -> str:
    return (
        f"body{{margin:0;font-family:{FONT}}}"
        ".q-splash{position:fixed;inset:0;display:flex;gap:.8rem;align-items:center;"
        "justify-content:center;font-size:1.6rem}.q-splash svg{width:2.6rem;height:2.6rem}"
        f"{_colors('html', LIGHT)}"
        f"@media (prefers-color-scheme: dark){{{_colors('html:not([data-theme=light])', DARK)}}}"
        f"{_colors('html[data-theme=dark]', DARK)}"
    )


def _colors(where: str, palette: Palette) -> str:
    return f"{where} .q-splash{{background:{palette.background};color:{palette.text}}}"
