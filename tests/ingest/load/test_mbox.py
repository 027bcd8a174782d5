from email.message import EmailMessage

import pytest

from ingest.errors import BrokenFileError
from ingest.load.loaders import load


def mail(subject, body, **attachments):
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "ada@example.org", "bob@x.org"
    message["Date"] = "Fri, 07 Mar 2025 10:00:00 +0000"
    message.set_content(body)
    for name, content in attachments.items():
        message.add_attachment(
            content, maintype="application", subtype="x", filename=name.replace("_", ".")
        )
    return message.as_bytes()


def mailbox(*mails):
    return b"\n".join(b"From ada@example.org Fri Mar  7 10:00:00 2025\n" + one for one in mails)


def test_each_mail_is_a_section_with_its_attachments():
    data = mailbox(
        mail("Meeting", "At ten.\n\n>From here on foot."),
        mail("关于年假", "须提前申请。", plan_md="# 计划\n\n第一步。".encode(), tool_exe=b"\0\1\2"),
    )

    loaded = load(data, "inbox.mbox")

    blocks = [(block.headings, loaded.text[block.start : block.end]) for block in loaded.blocks]
    assert blocks[0] == (("Meeting",), "Meeting")
    assert blocks[1][1].startswith("From: ada@example.org\nTo: bob@x.org\nDate: Fri")
    assert blocks[3] == (("Meeting",), "From here on foot.")
    assert (("关于年假",), "须提前申请。") in blocks
    assert any("Attachments: plan.md, tool.exe" in text for _, text in blocks)
    assert (("关于年假", "plan.md", "计划"), "第一步。") in blocks
    assert loaded.metadata["mails"] == "2"
    assert len(loaded.warnings) == 1


def test_a_mail_that_cannot_be_read_does_not_stop_the_others():
    sealed = b"Subject: x\nContent-Type: application/pkcs7-mime\n\nMIIB\n"

    loaded = load(mailbox(sealed, mail("Open", "Words.")), "a.mbox")

    assert "Words." in loaded.text
    assert "mail 1 not read" in loaded.warnings[0]


def test_a_mailbox_without_a_suffix_is_recognised():
    assert load(mailbox(mail("One", "Words.")), "Inbox").media_type == "application/mbox"


def test_what_holds_no_mail_is_refused():
    with pytest.raises(BrokenFileError, match="not a mailbox"):
        load(b"From the beginning, words.\n", "a.mbox")
