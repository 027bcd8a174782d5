"""A number of documents in, generated texts and plain pages of the measured formats out; pure."""

from __future__ import annotations

import io
import random
import textwrap
import time
import zlib

import numpy as np

SENTENCES = {
    "en": "The committee met in {place} on day {n} to keep {count} tonnes of {thing}.",
    "zh": "委员会第{n}天在{place}开会，同意保留{count}吨{thing}。",
}
PLACES = {"en": ["Leeds", "Suzhou", "Nairobi", "Oslo"], "zh": ["苏州", "利兹", "奥斯陆", "内罗毕"]}
THINGS = {"en": ["copper", "salt", "glass", "amber"], "zh": ["铜", "盐", "玻璃", "琥珀"]}
PARAGRAPHS, SENTENCES_EACH = 12, 6
LINES_OF_A_PAGE = 42


def generated(n_files, *, seed=7):
    """Yield (name, bytes) of Markdown reports; every third is Chinese."""
    draw = random.Random(seed)
    for n in range(n_files):
        language = "zh" if n % 3 == 2 else "en"
        paragraphs = [paragraph(draw, language) for _ in range(PARAGRAPHS)]
        yield f"report-{n}.md", (f"# Report {n}\n\n" + "\n\n".join(paragraphs)).encode()


def english(n_bytes, *, seed=11):
    """Write plain English text of about so many bytes, its paragraphs all different."""
    draw = random.Random(seed)
    parts, size = [], 0
    while size < n_bytes:
        parts.append(paragraph(draw, "en"))
        size += len(parts[-1]) + 2
    return "\n\n".join(parts).encode()


def markdown(n_bytes):
    """Write Markdown with a heading over every fifth paragraph."""
    parts = english(n_bytes).decode().split("\n\n")
    return "\n\n".join(
        f"## Part {n}\n\n{part}" if n % 5 == 0 else part for n, part in enumerate(parts)
    ).encode()


def html(n_bytes):
    """Write a page of headings, paragraphs, lists and links."""
    parts = english(n_bytes).decode().split("\n\n")
    body = "\n".join(
        f"<h2>Part {n}</h2><ul><li>one<li>two</ul><p>{part} <a href='/{n}'>more</a></p>"
        if n % 5 == 0
        else f"<p>{part}</p>"
        for n, part in enumerate(parts)
    )
    return f"<!doctype html><html><head><title>t</title></head><body>{body}</body></html>".encode()


def tables(n_bytes):
    """Write a page that is all tables, a hundred rows each."""
    draw = random.Random(13)
    parts, size = [], 0
    while size < n_bytes:
        rows = "".join(
            f"<tr><td>{draw.choice(PLACES['en'])}</td><td>{draw.randrange(10**5)}</td>"
            f"<td class=n>{draw.random():.4f}</td><td>{_sentence(draw, 'en')}</td></tr>\n"
            for _ in range(100)
        )
        head = "<tr><th>place</th><th>count</th><th>share</th><th>remark</th></tr>"
        parts.append(f"<h2>Table {len(parts)}</h2><table>{head}\n{rows}</table>")
        size += len(parts[-1])
    return ("<!doctype html><title>t</title><body>" + "".join(parts)).encode()


def pdf(n_pages, *, seed=5):
    """Print a PDF of text pages."""
    return _printed(n_pages, seed, ((50, 790, 10, LINES_OF_A_PAGE),), width=10**6)


def columns(n_pages, *, seed=6):
    """Print a PDF of text pages in two columns."""
    return _printed(n_pages, seed, ((45, 790, 9, 60), (310, 790, 9, 60)), width=52)


def _printed(n_pages, seed, columns, *, width):
    """Print pages; a column is (left, top, size, lines), its lines at most `width` characters."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    draw = random.Random(seed)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    for number in range(n_pages):
        for left, top, size, n_lines in columns:
            lines = canvas.beginText(left, top)
            lines.setFont("Helvetica", size)
            for line in _wrapped(draw, n_lines, width):
                lines.textLine(line)
            canvas.drawText(lines)
        canvas.drawString(50, 40, f"page {number + 1}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _wrapped(draw, n_lines, width):
    lines = []
    while len(lines) < n_lines:
        lines += textwrap.wrap(_sentence(draw, "en"), width)
    return lines[:n_lines]


def paragraph(draw, language):
    return " ".join(_sentence(draw, language) for _ in range(SENTENCES_EACH))


def _sentence(draw, language):
    return SENTENCES[language].format(
        place=draw.choice(PLACES[language]),
        thing=draw.choice(THINGS[language]),
        n=draw.randrange(10**4),
        count=draw.randrange(10**5),
    )


class CheapModel:
    """An embedding model that costs next to nothing: a random direction for each text.

    Ones that point near a few hundred centres, since random directions have no neighbours.
    """

    def __init__(self, n_dimensions=768, seconds_per_text=0.0):
        """Prepare it; with a time per text it waits as one waits for a device."""
        self.seconds_per_text = seconds_per_text
        self.n_dimensions = n_dimensions
        self.n_embedded = 0
        self._centres = np.random.default_rng(0).standard_normal((256, n_dimensions))

    def embed(self, texts, is_query):
        """Embed texts; count those of documents."""
        self.n_embedded += 0 if is_query else len(texts)
        if not is_query:
            time.sleep(self.seconds_per_text * len(texts))
        return np.stack([self._row(text) for text in texts])

    def embedder(self):
        """Describe the model as ingestion wants it."""
        from ingest.types import Embedder

        return Embedder(
            model="cheap:latest",
            digest="sha256:" + "c" * 64,
            n_dimensions=self.n_dimensions,
            max_tokens=512,
            document_prefix="",
            query_prefix="",
            embed=self.embed,
            # Some 4.2 characters of English, or one of Chinese, to a token.
            count_tokens=lambda texts: [_n_tokens(text) for text in texts],
        )

    def _row(self, text):
        draw = np.random.default_rng(zlib.crc32(text.encode()))
        centre = self._centres[draw.integers(0, len(self._centres))]
        row = centre + 0.6 * draw.standard_normal(self.n_dimensions)
        return (row / np.linalg.norm(row)).astype(np.float32)


def _n_tokens(text):
    if text.isascii():
        return 1 + round(len(text) / 4.2)
    n_ascii = len(text.encode("ascii", "ignore"))
    return 1 + round(n_ascii / 4.2) + len(text) - n_ascii
