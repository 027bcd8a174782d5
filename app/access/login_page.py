"""The page that asks for a key, as one HTML text that loads nothing and needs no script; pure."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Literal
from urllib.parse import quote

Language = Literal["en", "zh"]
Trouble = Literal["", "wrong", "wait", "over"]  # over: a login that was there holds no more

_NEXT = re.compile(r"/(?:ui|docs)(?:[/?][!-\[\]-~]*)?")  # visible ASCII but for the backslash
_MAX_NEXT = 2000

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "Sign in",
        "intro": "This library asks for a key.",
        "key": "Key",
        "enter": "Open",
        "wrong": "This key opens nothing here. It may be misspelled, revoked or over.",
        "wait": "Too many wrong keys. Try again in {minutes} min.",
        "over": "You are signed out: here or in another tab, or your key has ended. "
        "Sign in to go on.",
        "help": "Whoever runs this server makes one with",
        "other": "中文",
    },
    "zh": {
        "title": "登录",
        "intro": "访问此知识库需要密钥。",
        "key": "密钥",
        "enter": "进入",
        "wrong": "密钥无效：可能输入有误、已被撤销或已过期。",
        "wait": "错误次数过多，请在 {minutes} 分钟后重试。",
        "over": "您已退出登录：可能在此处或其他标签页退出，也可能密钥已失效。请重新登录。",
        "help": "服务器管理员可以用以下命令创建密钥：",
        "other": "English",
    },
}
_STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1c2421;--dim:#56615c;--line:#85908b;
--main:#1f7a5f;--on:#fff;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--back:#141917;--text:#e8eeeb;--dim:#a5b1ab;--line:#6c7a74;
--main:#33a17f;--on:#0c1512;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1rem;
background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{width:100%;max-width:24rem}
h1{font-size:1.5rem;margin:0 0 .25rem}
p{margin:.25rem 0 1rem;color:var(--dim)}
label{display:block;margin-bottom:.25rem}
input{width:100%;padding:.75rem;font:inherit;color:inherit;background:transparent;
border:1px solid var(--line);border-radius:.5rem}
button{width:100%;margin-top:1rem;padding:.75rem;font:inherit;font-weight:600;color:var(--on);
background:var(--main);border:0;border-radius:.5rem;cursor:pointer}
input:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid var(--main);
outline-offset:2px}
.bad{color:var(--bad);margin:.5rem 0 0}
.foot{margin-top:1.5rem;font-size:.875rem}
code{overflow-wrap:anywhere;color:var(--text)}
a{color:var(--main)}
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page is shown for."""

    language: Language = "en"
    next: str = ""  # where to go afterwards; checked already
    trouble: Trouble = ""
    wait_s: float = 0.0


def login_page(asked: Asked) -> str:
    """Write the page."""
    words = _WORDS[asked.language]
    other: Language = "en" if asked.language == "zh" else "zh"
    switch = f"/login?lang={other}" + (f"&next={quote(asked.next, safe='')}" if asked.next else "")
    switch += "&over=1" * (asked.trouble == "over")
    bad = ""
    if asked.trouble:
        text = words[asked.trouble].format(minutes=max(1, round(asked.wait_s / 60 + 0.49)))
        bad = f'<p class="bad" id="bad" role="alert">{escape(text)}</p>'
    described = ' aria-describedby="bad"' if bad else ""
    described += ' aria-invalid="true"' * (asked.trouble in ("wrong", "wait"))
    html_language = "zh-CN" if asked.language == "zh" else "en"
    return f"""<!doctype html>
<html lang="{html_language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="same-origin"><link rel="icon" href="data:,">
<title>Quire · {words["title"]}</title><style>{_STYLE}</style></head>
<body><main><h1>Quire</h1><p>{words["intro"]}</p>
<form method="post" action="/login">
<input type="hidden" name="next" value="{escape(asked.next)}">
<input type="hidden" name="lang" value="{asked.language}">
<label for="key">{words["key"]}</label>
<input id="key" name="key" type="password" autocomplete="current-password" autocapitalize="off"
 spellcheck="false" maxlength="512" required autofocus{described}>
{bad}<button type="submit">{words["enter"]}</button></form>
<p class="foot">{words["help"]} <code>quire keys add NAME</code></p>
<p class="foot"><a href="{escape(switch)}" lang="{"zh-CN" if other == "zh" else "en"}">\
{words["other"]}</a></p></main></body></html>
"""


def safe_next(text: str, home: str = "/ui/") -> str:
    """Take where a login leads if it is a page of this server; else `home`."""
    return text if len(text) <= _MAX_NEXT and _NEXT.fullmatch(text) else home


def language_of(chosen: str, accepted: str) -> Language:
    """Choose by what was clicked, else by the browser's first language that we speak."""
    for one in (chosen, *accepted.split(",")):
        tag = one.partition(";")[0].strip().casefold()
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return "en"
