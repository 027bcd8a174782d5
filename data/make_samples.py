"""Write the sample documents of `data/samples/` that are not plain text: run it after changing what they say.

    python data/make_samples.py

Needs reportlab besides the program's own packages. The company, its people and figures are invented.
"""

from __future__ import annotations

import datetime
import io
import re
import sys
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
from pptx.util import Inches
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

FOLDER = Path(__file__).parent / "samples"
WHEN = datetime.datetime(2025, 3, 1, 9, 0, 0)
MANUAL = [
    ("1 Unpacking", [
        "The HL-40 heron lamp weighs 3.2 kilograms and is delivered with a wall bracket, four stainless screws and a 2 metre cable. "
        "Keep the carton: the two-year warranty covers transport damage only if the lamp is returned in its original packing.",
        "The lamp may be mounted outdoors. Its housing is rated IP66 and withstands temperatures from -25 to 50 degrees Celsius.",
    ]),
    ("2 Wiring", [
        "Switch off the circuit before you open the housing. The brown wire is the live wire, the blue wire is neutral, the green and yellow wire is earth.",
        "The driver accepts 100 to 240 volts at 50 or 60 hertz. Fuse the circuit with no more than 6 amperes.",
    ]),
    ("3 Error codes", [
        "One blink of the red light means that the driver is too hot; the lamp dims to 40 per cent until it has cooled down. "
        "Two blinks mean a broken light module: order spare part HL-40-LM. Three blinks mean that the radio link to the gateway has been lost for more than 15 minutes.",
    ]),
    ("4 Maintenance", [
        "Clean the glass every six months with water and a soft cloth. Replace the seal (spare part HL-40-SE) every five years, or whenever the housing has been opened in rain.",
    ]),
]  # fmt: skip
SAFETY_ZH = [
    ("第一章 总则", [
        "本手册适用于青鹭照明有限公司苏州工厂的全体员工和来访人员。安全主管为周敏，内线电话 6119。",
        "凡进入生产车间者须穿防砸鞋、戴护目镜；在三号车间还须佩戴听力防护用品，因为该车间噪声达到九十二分贝。",
    ]),
    ("第二章 火灾", [
        "发现火情应立即按下最近的红色报警按钮，并拨打内线 6000。疏散集合点设在西门停车场。消防演习每年举行两次，分别在四月和十月的第一个星期三。",
    ]),
    ("第三章 化学品", [
        "清洗剂存放在 B12 室的防爆柜内，领用须登记姓名、数量和日期，每人每次最多领取两升。皮肤接触后用清水冲洗至少十五分钟，并到医务室就诊。",
    ]),
    ("第四章 事故报告", [
        "任何伤害事故都须在二十四小时内填写 SA-7 表格报告安全主管；未遂事故须在三个工作日内报告。全年无事故的班组可获得五千元奖金。",
    ]),
]  # fmt: skip


def write_docx() -> None:
    """Write the travel policy (English) and the leave rules (Chinese)."""
    travel = docx.Document()
    _mark(travel, "Travel and expense policy")
    travel.add_heading("Travel and expense policy", 0)
    travel.add_paragraph("Valid from 1 March 2025. Owner: Finance, Ines Okafor. It replaces the policy of June 2022.")
    travel.add_heading("Booking", 1)
    travel.add_paragraph("Book through the travel desk (travel@heronlight.example), flights at least 14 days ahead. Journeys of less than four hours are made by train.")
    travel.add_heading("Hotels and meals", 1)
    travel.add_paragraph("The limits below include breakfast and city tax. Anything above needs the approval of your head of department.")
    _table(travel, [("City", "Hotel per night", "Meals per day"), ("London", "£190", "£55"), ("Paris", "€180", "€60"), ("Suzhou", "¥650", "¥200"), ("Nairobi", "$140", "$45")])
    travel.add_heading("Claiming expenses", 1)
    travel.add_paragraph("Send the claim with receipts within 30 days of your return. Claims are paid on the 25th of each month. A lost receipt can be replaced by form FX-3, at most twice a year.")
    travel.add_paragraph("taxi rides above £40", style="List Bullet")
    travel.add_paragraph("upgrades, minibar and fines are never paid", style="List Bullet")
    _save(travel, "travel-policy.docx")

    leave = docx.Document()
    _mark(leave, "考勤与休假制度")
    leave.add_heading("考勤与休假制度", 0)
    leave.add_paragraph("青鹭照明有限公司人力资源部，2025年3月1日起施行。")
    leave.add_heading("工作时间", 1)
    leave.add_paragraph("标准工作时间为上午九时至下午六时，午休一小时。弹性上班时间为上午八时至十时。每周三为会议日，须到公司办公；其余工作日每周可远程办公两天。")
    leave.add_heading("年假", 1)
    leave.add_paragraph("员工入职满一年后享有带薪年假，天数按工龄确定。未休完的年假最多可结转五天，须在次年三月三十一日前休完。")
    _table(leave, [("工龄", "年假天数", "审批人"), ("一至五年", "十二天", "部门主管"), ("六至十年", "十六天", "部门主管"), ("十年以上", "二十天", "事业部总经理")])
    leave.add_heading("病假与其他假期", 1)
    leave.add_paragraph("病假超过两天须提交医院证明。婚假为十三天，陪产假为十五天。申请假期须在系统 LeaveDesk 中提交，紧急情况可致电人力资源部 6020。")
    _save(leave, "考勤与休假制度.docx")


def _mark(document: object, title: str) -> None:
    core = document.core_properties
    core.title, core.author, core.created, core.modified = title, "Heron Light", WHEN, WHEN


def _table(document: object, rows: list[tuple[str, ...]]) -> None:
    table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text


def _save(document: object, name: str) -> None:
    buffer = io.BytesIO()
    document.save(buffer)
    (FOLDER / name).write_bytes(_steady(buffer.getvalue()))


def _steady(data: bytes) -> bytes:
    """Give all parts of a zip file the same date, so that a second run writes the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        for part in source.infolist():
            fixed = zipfile.ZipInfo(part.filename, (2025, 3, 1, 9, 0, 0))
            fixed.compress_type = zipfile.ZIP_DEFLATED if part.filename != "mimetype" else zipfile.ZIP_STORED
            content = source.read(part.filename)
            if part.filename == "docProps/core.xml":  # openpyxl writes the time of saving into it
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2025-03-01T09:00:00Z", content)
            target.writestr(fixed, content)
    return buffer.getvalue()


def write_pdf() -> None:
    """Write the lamp's manual (English) and the safety handbook (Chinese)."""
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    plain = getSampleStyleSheet()
    chinese = {"fontName": "STSong-Light", "wordWrap": "CJK"}
    styles = {
        "en": (plain["Title"], plain["Heading2"], plain["BodyText"]),
        "zh": (
            ParagraphStyle("t", plain["Title"], **chinese),
            ParagraphStyle("h", plain["Heading2"], **chinese),
            ParagraphStyle("b", plain["BodyText"], leading=18, fontSize=12, **chinese),
        ),
    }
    limits = Table([["Part", "Number", "Price"], ["Light module", "HL-40-LM", "€ 84"], ["Seal", "HL-40-SE", "€ 6"], ["Driver", "HL-40-DR", "€ 52"]], colWidths=120)
    _pdf("heron-lamp-manual.pdf", "HL-40 heron lamp: installation and service", MANUAL, styles["en"], limits)
    _pdf("安全手册.pdf", "苏州工厂安全手册", SAFETY_ZH, styles["zh"], None)


def _pdf(name: str, title: str, chapters: list[tuple[str, list[str]]], styles: tuple[ParagraphStyle, ...], table: Table | None) -> None:
    story: list[object] = [Paragraph(title, styles[0]), Spacer(1, 12)]
    for number, (heading, texts) in enumerate(chapters):
        if number and number % 2 == 0:
            story.append(PageBreak())
        story.append(Paragraph(heading, styles[1]))
        for text in texts:
            story += [Paragraph(text, styles[2]), Spacer(1, 6)]
    if table is not None:
        story += [Paragraph("Spare parts", styles[1]), table]
    document = SimpleDocTemplate(str(FOLDER / name), pagesize=A4, title=title, author="Heron Light", invariant=1)
    document.build(story)


def write_xlsx() -> None:
    """Write the stock list: warehouses (English) and suppliers (Chinese)."""
    book = openpyxl.Workbook()
    book.properties.creator, book.properties.created, book.properties.modified = "Heron Light", WHEN, WHEN
    sheet = book.active
    sheet.title = "Stock"
    for row in [
        ("Part", "Name", "Warehouse", "Pieces", "Reorder at", "Counted on"),
        ("HL-40", "Heron lamp", "Leeds", 312, 100, datetime.date(2025, 2, 14)),
        ("HL-40-LM", "Light module", "Leeds", 75, 80, datetime.date(2025, 2, 14)),
        ("HL-40-DR", "Driver", "Suzhou", 1480, 400, datetime.date(2025, 2, 17)),
        ("HL-40-SE", "Seal", "Suzhou", 9200, 2000, datetime.date(2025, 2, 17)),
        ("GW-2", "Radio gateway", "Nairobi", 41, 25, datetime.date(2025, 2, 20)),
    ]:
        sheet.append(row)
    second = book.create_sheet("供应商")
    for row in [("供应商", "产品", "交货期（天）", "次品率"), ("无锡精达玻璃", "灯罩玻璃", 21, 0.004), ("宁波海天铝业", "外壳", 35, 0.012), ("东莞凯信电子", "驱动电源", 28, 0.007)]:
        second.append(row)
    for cell in second["D"][1:]:
        cell.number_format = "0.0%"
    _save(book, "stock.xlsx")


def write_pptx() -> None:
    """Write the deck of the yearly meeting."""
    deck = pptx.Presentation()
    core = deck.core_properties
    core.title, core.author, core.created, core.modified = "Year in review 2024", "Heron Light", WHEN, WHEN
    first = deck.slides.add_slide(deck.slide_layouts[0])
    first.shapes.title.text, first.placeholders[1].text = "Year in review 2024", "Heron Light, company meeting, Leeds, 23 January 2025"
    second = deck.slides.add_slide(deck.slide_layouts[1])
    second.shapes.title.text = "What we reached"
    frame = second.placeholders[1].text_frame
    frame.text = "Revenue rose by 18 per cent to 46.3 million euros"
    for text in ("The Nairobi office opened in May with nine people", "Returns fell from 2.1 to 1.3 per cent", "苏州工厂新增一条生产线，月产能达到八千盏"):
        frame.add_paragraph().text = text
    second.notes_slide.notes_text_frame.text = "Thank the Suzhou team: the line started six weeks early."
    third = deck.slides.add_slide(deck.slide_layouts[5])
    third.shapes.title.text = "Goals for 2025"
    rows = [("Goal", "Owner", "Due"), ("Launch of the HL-60", "Tomasz Reyes", "September"), ("ISO 14001 certificate", "周敏", "November"), ("Solar variant for East Africa", "Wanjiru Kamau", "December")]
    table = third.shapes.add_table(len(rows), 3, Inches(0.7), Inches(2), Inches(8.5), Inches(2)).table
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    _save(deck, "year-in-review.pptx")


def write_eml() -> None:
    """Write a mail with a short file attached."""
    message = EmailMessage()
    message["Subject"] = "Outage of the Leeds server room on 8 March"
    message["From"], message["To"] = "Priya Nair <priya.nair@heronlight.example>", "all-leeds@heronlight.example"
    message["Date"], message["Message-ID"] = "Mon, 03 Mar 2025 08:30:00 +0000", "<outage-2025-03@heronlight.example>"
    message.set_content(
        "Dear all,\n\nthe server room in Leeds will be without power on Saturday, 8 March, from 07:00 to 13:00, because the "
        "transformer is replaced.\n\nMail and LeaveDesk keep running from Suzhou. The file server and the label printers will not be "
        "available. In an emergency call the on-call engineer, Mateo Lindqvist, extension 7714.\n\nPriya\n"
    )
    steps = "Before you leave on Friday:\n1. Save your files and log off.\n2. Switch off the label printers.\n3. Leave the badge readers on: they have batteries for 12 hours.\n"
    message.add_attachment(steps, filename="checklist.txt")
    message.set_boundary("=-heron-light-sample-=")
    (FOLDER / "server-room-outage.eml").write_bytes(message.as_bytes())


def write_epub() -> None:
    """Write the little company history, one chapter in Chinese."""
    chapters = {
        "one.xhtml": ("A lamp for the harbour", "Heron Light was founded in 1987 by Margaret Holt in a boat shed in Whitby. Its first product was a lamp for harbour walls, of which 214 were sold in the first year.", "The heron in the logo was drawn by her daughter Alice, who was seven."),
        "two.xhtml": ("走进苏州", "2009年，公司在苏州工业园区设立工厂，首批员工只有二十三人。第一任厂长是陈立群，他坚持每盏灯都要在盐雾箱里测试四十八小时。", "2016年，苏州工厂的产量首次超过利兹。"),
    }
    items = "".join(f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters))
    refs = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr("META-INF/container.xml", '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles><rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>')
        book.writestr("book.opf", '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="i">heron-light-history</dc:identifier><dc:title>A short history of Heron Light</dc:title><dc:creator>Heron Light</dc:creator><dc:language>en</dc:language></metadata>' f"<manifest>{items}</manifest><spine>{refs}</spine></package>")
        for name, (title, *texts) in chapters.items():
            body = "".join(f"<p>{text}</p>" for text in texts)
            book.writestr(name, f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>')
    (FOLDER / "company-history.epub").write_bytes(_steady(buffer.getvalue()))


def main() -> int:
    """Write all of them."""
    for write in (write_docx, write_pdf, write_xlsx, write_pptx, write_eml, write_epub):
        write()
    sys.stdout.write(f"{sum(path.stat().st_size for path in FOLDER.iterdir()):,} bytes in {FOLDER}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
