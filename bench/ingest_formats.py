"""A number in, that many generated documents of every format out; pure."""

from __future__ import annotations

import io
import json
import random
import zipfile

from bench import ingest_corpus as corpus

N_PARAGRAPHS = 10


def every_format(n_each, *, seed=3):
    """Yield (name, bytes): so many documents of each format, every third in Chinese."""
    draw = random.Random(seed)
    for suffix, write in WRITERS.items():
        for n in range(n_each):
            language = "zh" if n % 3 == 2 and suffix != "pdf" else "en"
            paragraphs = [corpus.paragraph(draw, language) for _ in range(N_PARAGRAPHS)]
            yield f"{suffix}/report-{n}.{suffix}", write(f"Report {n}", paragraphs)


def _text(title, paragraphs):
    return "\n\n".join([title, *paragraphs]).encode()


def _markdown(title, paragraphs):
    return "\n\n".join([f"# {title}", *paragraphs]).encode()


def _html(title, paragraphs):
    body = "".join(f"<p>{one}</p>\n" for one in paragraphs)
    page = f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>\n{body}"
    return page.encode()


def _csv(title, paragraphs):
    rows = [f"{n},{title},{one}" for n, one in enumerate(paragraphs)]
    return "\n".join(["number,report,text", *rows]).encode()


def _json(title, paragraphs):
    return json.dumps({"title": title, "parts": paragraphs}, ensure_ascii=False, indent=1).encode()


def _jsonl(title, paragraphs):
    rows = [{"title": title, "text": one} for one in paragraphs]
    return "\n".join(json.dumps(one, ensure_ascii=False) for one in rows).encode()


def _yaml(title, paragraphs):
    return "\n".join(
        [f"title: {title}", "parts:", *(f"  - >\n    {p}" for p in paragraphs)]
    ).encode()


def _python(title, paragraphs):
    parts = [f'def part_{n}():\n    """{one}"""\n' for n, one in enumerate(paragraphs)]
    return "\n\n".join([f'"""{title}."""', *parts]).encode()


def _notebook(title, paragraphs):
    texts = [f"# {title}", *paragraphs]
    cells = [{"cell_type": "markdown", "metadata": {}, "source": [one]} for one in texts]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def _mail(title, paragraphs):
    from email.message import EmailMessage

    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = title, "a@example.org", "b@example.org"
    mail.set_content("\n\n".join(paragraphs))
    return mail.as_bytes()


def _mbox(title, paragraphs):
    return b"From a@example.org Thu Jan  1 00:00:00 2026\n" + _mail(title, paragraphs) + b"\n"


def _subtitles(_title, paragraphs):
    return "\n\n".join(
        f"{n + 1}\n00:{n:02d}:00,000 --> 00:{n:02d}:59,000\n{one}"
        for n, one in enumerate(paragraphs)
    ).encode()


def _docx(title, paragraphs):
    import docx

    document = docx.Document()
    document.add_heading(title, 1)
    for one in paragraphs:
        document.add_paragraph(one)
    return _saved(document)


def _pptx(title, paragraphs):
    import pptx

    deck = pptx.Presentation()
    for one in paragraphs:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, one
    return _saved(deck)


def _xlsx(title, paragraphs):
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["number", "report", "text"])
    for n, one in enumerate(paragraphs):
        book.active.append([n, title, one])
    return _saved(book)


def _epub(title, paragraphs):
    body = "".join(f"<p>{one}</p>" for one in paragraphs)
    space = 'xmlns="http://www.w3.org/1999/xhtml"'
    page = f"<html {space}><head><title>{title}</title></head><body><h1>{title}</h1>{body}</body>"
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument'
        ':xmlns:container"><rootfiles><rootfile full-path="book.opf" '
        'media-type="application/oebps-package+xml"/></rootfiles></container>',
        "book.opf": '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
        '<manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>',
        "a.xhtml": page + "</html>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def _pdf(title, _paragraphs):
    return corpus.pdf(2, seed=int(title.split()[-1]) + 100)


def _saved(document):
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


WRITERS = {
    "txt": _text,
    "md": _markdown,
    "html": _html,
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
    "yaml": _yaml,
    "py": _python,
    "ipynb": _notebook,
    "eml": _mail,
    "mbox": _mbox,
    "srt": _subtitles,
    "docx": _docx,
    "pptx": _pptx,
    "xlsx": _xlsx,
    "epub": _epub,
    "pdf": _pdf,
}
