"""Small tokenizers of every kind, trained here on a few lines; nothing is downloaded."""

from __future__ import annotations

import json
import struct

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

CORPUS = [
    "The quick brown fox jumps over the lazy dog. It's been 12345 days, hasn't it? I'll say 3.14!",
    "Retrieval finds documents; generation answers questions about them, with 100% citations.",
    "def greedy(logits):\n    return max(range(len(logits)), key=lambda i: logits[i])\n",
    'for (int i = 0; i < 10; ++i) { printf("%d\\n", i); }  // a loop\n\n\n',
    "知识库里的每个答案都有出处。今天天气很好，我们去公园散步吧！",
    "모델은 텍스트를 생성합니다. Ωμέγα и Ёлка, naïve café, über, señor.",
    "Emoji: 😀 🚀 👩‍💻 ❤️ and symbols © ™ → ≤ ∑ √",
    "   leading spaces,\ttabs\tand\r\nwindows lines  \n  trailing   ",
]
TEXTS = [
    *CORPUS,
    "Hello, world!",
    "HELLO World's CamelCaseWords don't stop; we've 1 22 333 4444 55555 things.",
    "中文和English混合的句子，价格是￥1234.50元。",
    "🤖🤖 unseen: ꙮ 𝔘𝔫𝔦 \u200b zero-width",
    "a  b   c    d\n\n\n\ne\t\tf",
    "x = {'key': [1, 2, 3], \"other\": None}  # comment",
    " ",
    "ﬁne Ａrt",
]

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(regex):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(regex), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _gpt2():
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


# llama.cpp's name → how the text is cut, whether whole words are looked up first
CUTS = {
    "gpt-2": (_gpt2, False),
    "smollm": (
        lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()]),
        False,
    ),
    "llama-bpe": (lambda: _split(LLAMA3), True),
    "qwen2": (lambda: _split(QWEN2), False),
    "tekken": (lambda: _split(TEKKEN), True),
    "gpt-4o": (lambda: _split(GPT4O), False),
}


def byte_level(name="llama-bpe", bos="<|begin|>", eos="<|end|>", *, adds_bos=True):
    """A byte-level BPE whose pre-tokenizer llama.cpp knows by this name."""
    cut, ignores_merges = CUTS[name]
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignores_merges))
    tokenizer.pre_tokenizer = cut()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[bos, eos],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False)])
    if adds_bos:
        tokenizer.post_processor = TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    return tokenizer


def spaces_bpe(*, prefix=True):
    """A BPE that writes spaces as ▁ and falls back to bytes, as Llama 2 and Gemma have it."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(vocab_size=500, show_progress=False)
    trained.train_from_iterator(CORPUS, trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += [token for token in model["vocab"] if token not in tokens]
    vocab = {token: number for number, token in enumerate(tokens)}
    whole = [  # as SentencePiece merges: whatever gives a token of the vocabulary
        (text[:at], text[at:])
        for text in dict.fromkeys(first + second for first, second in merges)
        for at in range(1, len(text))
        if text[:at] in vocab and text[at:] in vocab
    ]
    tokenizer = Tokenizer(
        models.BPE(vocab, whole, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    steps = [normalizers.Prepend("▁")] if prefix else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    special = [AddedToken(text, special=True, normalized=False) for text in tokens[:3]]
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def unigram():
    """A Unigram model with a map of characters, as XLM-RoBERTa has it."""
    heads = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(charsmap(CHARS)),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(left=False, right=True),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=heads, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", special=True, lstrip=True)])
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return tokenizer


def wordpiece():
    """A BERT tokenizer."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    heads = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=heads, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


CHARS = {"\t": " ", "\n": " ", "\r": " ", "ﬁ": "fi", "Ａ": "A", "，": ",", "！": "!"}


def charsmap(replacements):
    """Compile a map of characters in SentencePiece's format, wasteful: 256 places per node."""
    texts, values, blob = {}, {}, b""
    for source, replacement in replacements.items():
        data = source.encode()
        values[data] = len(blob)
        blob += replacement.encode() + b"\0"
        for size in range(1, len(data) + 1):
            texts.setdefault(data[: size - 1], set()).add(data[size - 1])
    nodes = [b"", *sorted({d[:n] for d in values for n in range(1, len(d) + 1)})]
    block = {node: 256 * (number + 1) for number, node in enumerate(nodes)}
    units = [0] * (256 * (len(nodes) + 1))
    place = {b"": 0}
    for node in nodes[1:]:
        place[node] = block[node[:-1]] + node[-1]
    for node in nodes:
        label = node[-1] if node else 0
        is_leaf = node in values
        units[place[node]] = (place[node] ^ block[node]) << 10 | is_leaf << 8 | label
        if is_leaf:
            units[block[node]] = values[node] | 1 << 31
    packed = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(packed)) + packed + blob


def pieces_file(tokens, *, kind, adds_space=True, merges_spaces=True, chars=b""):
    """Write a SentencePiece model: (text, score, kind of piece) each."""

    def field(number, data):
        return bytes([number << 3 | 2]) + _varint(len(data)) + data

    out = b""
    for text, score, piece_kind in tokens:
        fixed = bytes([2 << 3 | 5]) + struct.pack("<f", score)
        out += field(1, field(1, text.encode()) + fixed + bytes([3 << 3, piece_kind]))
    out += field(2, bytes([3 << 3, kind]))
    flags = bytes([3 << 3, adds_space, 4 << 3, merges_spaces])
    return out + field(3, (field(2, chars) if chars else b"") + flags)


def _varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
