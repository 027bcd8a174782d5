from email.message import EmailMessage

import pytest

from ingest.errors import BrokenFileError, EncryptedFileError
from ingest.load.loaders import load


def mail(body="See you at ten.\n\nBring the plan.", subject="Meeting on Friday"):
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = (
        subject,
        "Ada <ada@example.org>",
        "bob@example.org",
    )
    message["Date"] = "Fri, 07 Mar 2025 10:00:00 +0000"
    message.set_content(body)
    return message


def test_headers_and_body_become_text():
    loaded = load(mail().as_bytes(), "a.eml")

    assert loaded.title == "Meeting on Friday"
    assert loaded.metadata["from"] == "Ada <ada@example.org>"
    assert loaded.text == (
        "Meeting on Friday\n\nFrom: Ada <ada@example.org>\nTo: bob@example.org\n"
        "Date: Fri, 07 Mar 2025 10:00:00 +0000\n\nSee you at ten.\n\nBring the plan."
    )


def test_chinese_subjects_and_bodies_in_any_charset():
    message = mail(subject="关于年假的通知")
    message.set_content("各位同事：\n年假须在十二月前休完。", charset="gb18030")

    loaded = load(message.as_bytes(), "a.eml")

    assert loaded.title == "关于年假的通知"
    assert "年假须在十二月前休完。" in loaded.text


def test_raw_headers_in_an_old_encoding_are_repaired():
    data = "Subject: 关于公司年假的通知\r\nFrom: a@example.org\r\n\r\nx".encode("gb18030")

    assert load(data, "a.eml").title == "关于公司年假的通知"


def test_of_alternatives_only_the_page_is_read():
    message = mail("Plain words")
    message.add_alternative(
        "<h2>Rich</h2><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
        subtype="html",
    )

    loaded = load(message.as_bytes(), "a.eml")

    assert "Plain words" not in loaded.text
    assert loaded.text.endswith("Rich\n\na | b\n1 | 2")


def test_attachments_are_read_under_their_names_and_refusals_are_told():
    message = mail()
    message.add_attachment(
        "# 报销\n\n三十天内提交。".encode(), maintype="text", subtype="markdown", filename="报销.md"
    )
    message.add_attachment(
        b"\x00\x01\x02", maintype="application", subtype="octet-stream", filename="tool.exe"
    )
    message.add_attachment(mail("Inner words", "Inner"))

    loaded = load(message.as_bytes(), "a.eml")

    block = next(b for b in loaded.blocks if loaded.text[b.start : b.end] == "三十天内提交。")
    assert block.headings == ("Meeting on Friday", "报销.md", "报销")
    assert "Inner words" in loaded.text
    assert len(loaded.warnings) == 1
    assert "tool.exe" in loaded.warnings[0]


def test_what_is_no_mail_and_what_is_encrypted_is_refused():
    with pytest.raises(BrokenFileError):
        load(b"just words without any header\n\nmore", "a.eml")
    with pytest.raises(EncryptedFileError):
        load(b"Subject: x\r\nContent-Type: application/pkcs7-mime\r\n\r\nMIIB", "a.eml")


def test_pictures_are_named_and_inline_ones_left_alone():
    message = mail()
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png")
    part = list(message.iter_attachments())[-1]
    part.replace_header("Content-Disposition", 'inline; filename="logo.png"')

    loaded = load(message.as_bytes(), "a.eml")

    assert "Attachments: logo.png" in loaded.text
    assert not loaded.warnings
