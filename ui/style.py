"""How the frame of the pages looks: width, phone, keyboard; pure."""

from __future__ import annotations

from ui.palette import DARK, LIGHT

# Streamlit names its parts by data-testid; what is not there any more styles nothing.
FRAME_STYLE = f"""<style>
.stMainBlockContainer {{ padding: 2.4rem 2rem 4rem; max-width: 80rem; }}
[data-testid="stLayoutWrapper"]:has(> .st-key-frame_bottom) {{ order: 99; }}
[data-testid="stLayoutWrapper"]:has(> .st-key-frame_bottom):not(:only-child) {{
  padding-top: 1rem; border-top: 1px solid color-mix(in srgb, currentColor 18%, transparent); }}
[data-testid="stSidebarNavSeparator"] {{ opacity: .4; }}
.stApp [data-testid^="stBaseButton-primary"]:enabled {{
  color: light-dark({LIGHT.on_primary}, {DARK.on_primary}); }}
.stApp [data-testid="stCaptionContainer"], .stApp [data-testid="stCaptionContainer"] * {{
  opacity: 1; }}
.stApp [data-testid="stCaptionContainer"] {{ color: light-dark({LIGHT.muted}, {DARK.muted}); }}
.q-frame {{ display: none; }}
html[data-away] .stDialog {{ display: none; }}
.q-away {{ position: fixed; z-index: 999999; inset: .8rem 1rem auto; margin: 0 auto;
  max-width: 34rem; padding: .7rem 1rem; border-radius: .6rem; text-align: center;
  color: light-dark({LIGHT.text}, {DARK.text}); border: 1px solid currentColor;
  background: light-dark({LIGHT.panel}, {DARK.panel}); }}
[data-testid="stTabs"] [role="tab"] {{ flex: none; white-space: nowrap; }}
:is(button, a, summary, [role="tab"], [role="checkbox"], [tabindex]):focus-visible {{
  outline: 3px solid light-dark({LIGHT.primary}, {DARK.link}) !important; outline-offset: 1px; }}
@media (prefers-reduced-motion: reduce) {{
  * {{ animation-duration: .01ms !important; transition-duration: .01ms !important; }}
}}
@media (max-width: 640px), (pointer: coarse) {{
  .stMainBlockContainer {{ padding: 3.4rem 1rem 3rem; }}
  .stMain h1 {{ font-size: 1.75rem; }}
  .stApp :is(button, summary, [role="tab"], [data-testid="stSidebarNavLink"]) {{
    min-height: 2.6rem; min-width: 2.6rem; }}
}}
</style>"""
