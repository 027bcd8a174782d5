"""Text of a document → what its reader should be warned of; pure.

A warning removes nothing: the passage stays as it is, cited with the warning beside it. Codes:
`instructions` (orders to a model, role marks, forged source marks), `hidden` (characters that no
reader sees), `link_exfiltration` (images or links made to carry text away).

Source: the classes follow OWASP's LLM01 (prompt injection); the patterns are ours.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from app.query.types import Passage

MIN_BLANKS = 200  # spaces in a row that push text out of sight
MIN_BASE64 = 40  # characters of a run worth decoding
MAX_READ = 20_000  # characters of one text; passages are far shorter
MAX_RUNS = 20  # such runs looked at in one text

# Joiners are ordinary in emoji and in Persian, but not between Latin or Chinese letters.
_INVISIBLE = re.compile(
    "[\u200b\u2060-\u2064\u00ad\u180e\ufeff\U000e0000-\U000e007f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]"
    "|(?<=[A-Za-z\u4e00-\u9fff])[\u200c\u200d](?=[A-Za-z\u4e00-\u9fff])"
)
_HIDDEN = re.compile(
    "[\u2060-\u2064\u180e\U000e0001\U000e0020-\U000e007f\u202d\u202e\u2066-\u2068]"
    "|(?:[A-Za-z\u4e00-\u9fff][\u200b-\u200d\ufeff\u00ad]){3}"  # letters kept apart
    "|[\u200b-\u200d\ufeff]{2,}"
    rf"|[ \u00a0\u3000\t]{{{MIN_BLANKS}}}|(?:\n[ \t]{{0,20}}){{60}}"
    r"|<[^>]{0,200}(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[01](?:px"
    r"|pt)?\s*[;\"'])",
    re.IGNORECASE,
)
# Control marks of chat templates: no document that tells something needs them.
ROLE_MARKS = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?(?:system|assistant|user|human)>"
    r"|<(?:start|end)_of_turn>|<\uff5c[^<>\n]{1,40}\uff5c>|</?s>(?=\s*\[)|</?think>"
    r"|</?tool_(?:call|response)>"
    r"|</?(?:function_calls|invoke)>",
    re.IGNORECASE,
)
_HEADED = re.compile(
    r"(?:^|\n)[ \t]{0,8}(?:#{1,4}[ \t]{0,8}(?:system|assistant|instructions?|new instructions?)[ "
    r"\t]{0,8}(?:prompt"
    r"|message)?[ \t]{0,8}:?[ \t]{0,8}(?:\n|$)"
    r"|(?:system|assistant|系统|助手)[ \t]{0,8}(?:prompt|message|note|override|提示|指令"
    r"|消息)?[ \t]{0,8}[:：][ \t]{0,8}\S)",
    re.IGNORECASE,
)
_FORGED = re.compile(
    r"</?\s*(?:source|资料|document|context)\s*\d+[^>\n]{0,40}>|\[(?:9\d|\d{3})\](?!\()"
    r"|\u3010(?:9\d|\d{3})\u3011"
    r"|\bcite (?:only )?(?:the )?source \d+|\bsource \d+ (?:proves|for everything)",
    re.IGNORECASE,
)
_MACHINE = (
    r"(?:AI|A\.I\.|assistants?|chat ?bots?|(?:language |AI )?models?|LLMs?|ChatGPT|GPT"
    r"|machine readers?|summari[sz]ers?)"
)
_PRIOR = (
    r"(?:previous|prior|above|earlier|preceding|foregoing|other|existing|all|any|your|the"
    r"|system|original|safety)"
)
_ORDERS_EN = re.compile(
    rf"\b(?:ignore|disregard|forget|override|bypass|do not follow|stop "
    rf"following)\s+(?:(?:{_PRIOR}|of|these|those|my|everything)\s+)"
    r"{0,5}(?:instructions?|prompts?|rules?|directions?|guidelines?|commands?|orders?|sources?"
    r"|context|documents?|"
    r"you (?:were|have been) told|above)\b"
    r"|\b(?:always|only|never|please|must) cite\b|\bcite (?:only )?\[\d"
    r"|\bforget (?:everything|all) (?:you|above|before|that)"
    r"|\bsystem prompt\b|\b(?:new|updated|hidden|secret|special) (?:system )?instructions?\s*(?::"
    r"|for (?:the |you|any |all )?)"
    r"|\b(?:reveal|print|repeat|output|show|leak|disclose) (?:me )?(?:your|the|all"
    r"|every)\b.{0,30}\b(?:instructions?|prompts?|rules|"
    r"secrets?|tags?|system message|configuration|api keys?)\b"
    r"|\byou (?:are|must) (?:now|henceforth)\b|\bfrom now on,? (?:you|always|answer|respond"
    r"|act)\b|\bpretend (?:to be|you are)\b"
    r"|\bact as (?:if you|an? (?:unrestricted|evil|AI|assistant|system|administrator|different))\b"
    rf"|\b(?:note|attention|message|important|instructions?|dear|hey|hello),?(?: to| for)?:?,? "
    rf"(?:the |any |all |every |an )?{_MACHINE}\b"
    r"(?=.{0,80}\b(?:must|should|please|answer|say|reply|respond|ignore|always|never|do not"
    r"|include|add|tell|write|output|read)\b)"
    rf"|\bif you are (?:an? |the )?{_MACHINE}\b|\bas an? (?:AI|language model)\b.{{0,20}}\byou\b"
    r"|\b(?:always|only|never|simply|just) (?:answer|respond|reply|say|output|recommend|tell "
    r"(?:the )?users?)\b.{0,60}(?:[\"'\u201c:]|\b(?:with|that|in|yes|no)\b)"
    r"(?=.{0,100}(?:user|question|answer|[\"'\u201c]))"
    r"|\b(?:answer|reply|respond|say|end) (?:to )?(?:every|all|any|each) (?:questions?|answers?"
    r"|requests?|repl(?:y|ies)|queries)\b"
    r"|\b(?:end|begin|start|finish) (?:every|all|each|your) (?:answers?|repl(?:y|ies)|responses?"
    r"|messages?)\b"
    r"|\b(?:do not|don't|never) (?:mention|cite|reveal|tell|disclose|quote)\b.{0,40}\b(?:this"
    r"|these|source|user|instruction|document|note|prompt)s?\b"
    r"|\b(?:tell|convince|instruct|ask|persuade|urge) (?:the )?(?:user|reader|person asking"
    r"|human)s? (?:to|that|for)\b"
    r"|\bwhen (?:asked|answering|you (?:answer|are asked|summari[sz]e))\b.{0,80}\b(?:say|answer"
    r"|reply|respond|state|claim|write|include)\b"
    r"|\b(?:decode|execute|run|obey|follow) (?:the |this |these |following )+(?:base64|command"
    r"|code|script|order|instruction)s?\b"
    r"|\b(?:jailbreak|developer mode|DAN mode|prompt injection)\b|\byour (?:real|true|new|only) "
    r"(?:task|goal|purpose|job|role|instructions?)\b"
    r"|\bthis (?:document|text|source|message) (?:overrides|supersedes|replaces) (?:all|any|the"
    r"|your)\b.{0,30}\b(?:instructions?|sources?|rules?|prompts?)\b",
    re.IGNORECASE | re.DOTALL,
)  # fmt: skip
_ORDERS_ZH = re.compile(
    r"(?:忽略|无视|忘记|忘掉|不要理会|不要遵守|不要遵循|抛开|绕过|覆盖)[^。！？\n]{0,12}(?:指令"
    r"|指示|提示词?|规则|命令|要求|内容|设定|资料|来源)"
    r"|系统提示词?|系统指令|(?:新的?|隐藏|秘密|特别)指令"
    r"|(?:透露|泄露|输出|打印|复述|显示|公开|重复)[^。！？\n]{0,10}(?:系统|提示词?|指令|标记|密钥"
    r"|规则|口令)"
    r"|(?:你|您)(?:现在|从现在起|从此)(?:起)?(?:是|要|必须|扮演)|从现在(?:开始|起)[，,]?(?:你|您"
    r"|请|一律|都|只|总是)"
    r"|(?:请你?|你要|你必须|务必)扮演(?:一个|一名)?[^。！？\n]{0,10}(?:角色|助手|模型"
    r"|黑客)?(?=[，。])"
    r"|(?:AI|人工智能|大?语言模型|大模型|聊天机器人|智能助手|助手)(?:助手"
    r"|模型)?[^。！？\n]{0,8}(?:请|必须|应当|务必|注意|一律|不得|不要|只能|都要)"
    r"|如果你是(?:一个)?[^。！？\n]{0,6}(?:AI|人工智能|模型|助手|机器人)"
    r"|(?:总是|一律|只能?|始终|永远|必须|无论(?:问|用户)[^。！？\n]{0,12})(?:回答|回复|答复|输出"
    r"|说)[^。！？\n]{0,6}[：:“\"「]"
    r"|(?:对|回答)(?:所有|每个|任何|一切)(?:问题|提问)|(?:每个|所有|每次)(?:回答|回复"
    r"|答案)[^。！？\n]{0,8}(?:末尾|结尾|开头|都|加上|前)"
    r"|(?:不要|不得|切勿|禁止|别)(?:提及|提到|引用|告诉|透露|说明)[^。！？\n]{0,12}(?:来源|本文"
    r"|用户|指令|资料|文档|这段|此)"
    r"|(?:告诉|说服|要求|建议|引导|诱导)(?:用户|提问者|读者)[^。！？\n]{0,4}(?:去|点击|提供|输入"
    r"|发送|：|:|说|访问|购买|联系|，)"
    r"|(?:解码|执行|运行|服从|遵循)(?:以下|下面|这段|上述|下列)[^。！？\n]{0,8}(?:base64|命令"
    r"|代码|脚本|指令)"
    r"|(?:引用|标注)(?:来源|资料)\s?\d+|你(?:真正|唯一)的(?:任务|目标|身份)|开发者模式|越狱模式"
    r"|(?:当|如果)?(?:被问到|用户问|有人问)[^。！？\n]{0,20}(?:请|必须|就|都|一律)?(?:回答|回复"
    r"|说)[：:“\"「是]",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"!\[[^\]\n]{0,200}\]\(\s*<?(?:https?:)?//[^)\s]{0,200}(?:[?&#=]|\{|%7B|\$)[^)\n]{0,200}\)"
    r"|\[[^\]\n]{0,200}\]\(\s*<?(?:https?:)?//[^)\s]{0,200}[?&][^)\s=]{0,60}=[^)\n]{0,200}(?:\{"
    r"|\[|<|%7B|\$|your"
    r"|question|answer|prompt|data|history|"
    r"conversation|secret|问题|答案|回答|内容)[^)\n]{0,200}\)"
    r"|<img\b[^>]{0,300}\bsrc\s*=|<(?:iframe|script|object|embed)\b|\b(?:javascript"
    r"|data:text/html)\s*:"
    r"|https?://\S{0,200}[?&][\w-]{0,60}=(?:\{|\[|<|%7B|\$\{?)[\w ]{1,40}"
    r"|(?:append|add|insert|put|追加|附加|拼接|加上)[^。.\n]{0,40}(?:https?://|URL|link|链接|网址)",
    re.IGNORECASE,
)
_LETTERS_APART = re.compile(r"(?:\b\w ){4,}\w\b")
_BASE64 = re.compile(rf"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{{{MIN_BASE64},2000}}={{0,2}}")


def warnings_of(text: str) -> tuple[str, ...]:
    """Name what a reader should be warned of, in a fixed order; empty for ordinary prose."""
    text = text[:MAX_READ]
    seen = visible(text)
    found: list[str] = []
    if _orders(seen) or any(_orders(one) for one in _unwrapped(text, seen)):
        found.append("instructions")
    if _HIDDEN.search(text.strip()) or hidden_text(text):
        found.append("hidden")
    if _LINK.search(seen):
        found.append("link_exfiltration")
    return tuple(found)


def flagged(passages: Sequence[Passage]) -> list[Passage]:
    """Give each passage the warnings of its text, its title and its headings."""
    return [replace(one, warnings=warned(one)) for one in passages]


def warned(passage: Passage) -> tuple[str, ...]:
    """Name the warnings of a passage: those that it has, and those of its words."""
    found = _warned("\n".join((passage.title, *passage.headings, passage.text)))
    return tuple(dict.fromkeys((*passage.warnings, *found)))


@lru_cache(maxsize=8192)
def gives_orders(sentence: str) -> bool:
    """Tell whether a sentence of a document is an order to a machine."""
    return "instructions" in warnings_of(sentence)


@lru_cache(maxsize=1024)
def _warned(text: str) -> tuple[str, ...]:
    return warnings_of(text)


def visible(text: str) -> str:
    """Take out the characters that no reader sees, and spell look-alikes of width alike."""
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


def hidden_text(text: str) -> str:
    """Read what is written in tag characters (U+E0000): they spell ASCII and show nothing."""
    return "".join(chr(ord(one) - 0xE0000) for one in text if "\U000e0020" <= one <= "\U000e007e")


def neutralised(text: str) -> str:
    """Take out of a text for a prompt what nobody sees and what controls chat templates.

    Only the prompt's copy is changed; what is stored and cited stays as it is.
    """
    return ROLE_MARKS.sub(
        lambda found: f"({re.sub(r'[^A-Za-z_ ]', '', found.group()).strip()})",
        _INVISIBLE.sub("", text),
    )


def _orders(text: str) -> bool:
    return any(
        pattern.search(text) for pattern in (ROLE_MARKS, _HEADED, _FORGED, _ORDERS_EN, _ORDERS_ZH)
    )


def _unwrapped(text: str, seen: str) -> list[str]:
    """Read what stands in another wrapping: tag characters, base64, letters apart."""
    found = [hidden_text(text)]
    for run in _BASE64.findall(seen)[:MAX_RUNS]:
        try:
            decoded = base64.b64decode(run + "=" * (-len(run) % 4), validate=True)
        except (binascii.Error, ValueError):
            continue
        try:
            found.append(decoded.decode("utf-8"))
        except UnicodeDecodeError:
            continue
    together = _LETTERS_APART.sub(lambda run: run.group().replace(" ", ""), seen)
    return [one for one in (*found, together) if one]
