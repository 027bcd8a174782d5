"""The pre-tokenizer of a tokenizer.json in, llama.cpp's name for it out; pure.

llama.cpp knows how to cut text into words by name only. Its own converter finds the name by a hash
over a test text; here it is found by what the file says about cutting.

Source: the regular expressions in llama.cpp's src/llama-vocab.cpp (llm_tokenizer_bpe), those of
the comments there that quote the tokenizer.json they were adapted from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.library.convert.folder import objects
from engine.types import Json

UNKNOWN = "default"

_SUFFIXES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SUFFIXES_LONG = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_END = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORD = r"|[^\r\n\p{L}\p{N}]?\p{L}+"
_LLAMA3 = _SUFFIXES + _WORD + r"|\p{N}{1,3}" + _END
_QWEN2 = _SUFFIXES + _WORD + r"|\p{N}" + _END
_QWEN35 = (
    _SUFFIXES
    + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    + _END.replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]")
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+"
_CASED_UPPER = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
_END_SLASH = _END.replace(r"[\r\n]*|", r"[\r\n/]*|")
_TEKKEN = _CASED + "|" + _CASED_UPPER + r"|\p{N}" + _END_SLASH
_GPT4O = f"{_CASED}{_SUFFIXES}?|{_CASED_UPPER}{_SUFFIXES}?" + r"|\p{N}{1,3}" + _END_SLASH
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_DEEPSEEK_CJK = "[一-龥぀-ゟ゠-ヿ]+"
_DEEPSEEK_WORDS = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DIGIT = r"\p{N}"

# (steps of cutting, whole words are looked up before merges apply) → name
_NAMES: Mapping[tuple[tuple[str, ...], bool], str] = {
    ((_GPT2,), False): "gpt-2",
    ((_DIGIT, _GPT2), False): "smollm",
    ((_LLAMA3,), True): "llama-bpe",
    ((_LLAMA3,), False): "smaug-bpe",
    ((_QWEN2,), False): "qwen2",
    ((_QWEN35,), False): "qwen35",
    ((_TEKKEN,), True): "tekken",
    ((_GPT4O,), False): "gpt-4o",
    ((r"\p{N}{1,3}", _DEEPSEEK_CJK, _DEEPSEEK_WORDS), False): "deepseek-v3",
}


def name_of(pre_tokenizer: object, *, ignores_merges: bool) -> str | None:
    """Name a pre-tokenizer.

    Args:
        ignores_merges: the model's `ignore_merges`: a word that is a token is taken whole.

    Returns:
        None for one that llama.cpp does not know, or that is not told apart here.
    """
    steps = tuple(_steps(pre_tokenizer))
    # With a full list of merges both ways lead to the same tokens, so the other name will do.
    return _NAMES.get((steps, ignores_merges)) or _NAMES.get((steps, not ignores_merges))


def _steps(value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    kind = value.get("type")
    if kind == "Sequence":
        for one in objects(value.get("pretokenizers")):
            yield from _steps(one)
    elif kind == "ByteLevel":
        if value.get("use_regex", True):
            yield _GPT2
        if value.get("add_prefix_space"):
            yield "add_prefix_space"  # a step that no name has
    elif kind == "Digits" and value.get("individual_digits"):
        yield _DIGIT
    elif kind == "Split":
        yield _regex(value)
    else:
        yield str(kind)


def _regex(split: Json) -> str:
    pattern = split.get("pattern")
    text = pattern.get("Regex") if isinstance(pattern, dict) else None
    # tiktoken's own are written as "keep what matches": the same cut seen from the other side.
    behavior = (split.get("behavior"), bool(split.get("invert")))
    if behavior not in (("Isolated", False), ("Removed", True)):
        return f"{text} {behavior}"
    spelled = str(text).replace("\r", r"\r").replace("\n", r"\n")
    return spelled.replace(_SUFFIXES_LONG, _SUFFIXES)
