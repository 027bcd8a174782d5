"""The documents page as people see it: filters, a page image, figures, several deleted at once."""

import httpx
import pytest

from tests.ui import test_browser
from tests.ui.test_browser import (  # noqa: F401
    LOOKS,
    browser,
    click_until,
    picture,
    pytestmark,
    visit,
)

MANUAL = "# Heron lamp\n\nThe lamp weighs 3.2 kilograms.\n\n## Wiring\n\nThe brown wire is live.\n"
HOSTILE = "/home/ann/\u202e<img src=x onerror=alert(1)>" + "very-long-name-" * 40 + ".pdf"


def documents(n=23):
    """Describe what the server holds: a PDF, a hostile name, and a good many notes."""
    plain = {"collection": "default", "warnings": [], "n_characters": len(MANUAL), "n_chunks": 2}
    types = ("text/markdown", "text/html", "text/csv", "application/json")
    found = {}
    for at in range(n):
        id_, path = f"n{at}", f"/home/ann/notes/{at % 3}/note {at}.md"
        kind = types[at % 7 % 4]
        more = {"media_type": kind, "size_bytes": 900 * (at + 1) ** 2, "n_chunks": 1 + at % 9}
        day = f"2026-{9 + at % 3:02}-{1 + at % 27:02}T09:30:00+00:00"
        found[id_] = {"id": id_, "title": f"Note {at}", "path": path, "paths": [path]}
        found[id_] = {**plain, **found[id_], **more, "added_at": day}
    for id_, path in (("p1", "/home/ann/manual.pdf"), ("bad", HOSTILE)):
        about = {"id": id_, "title": path.rpartition("/")[2], "path": path, "paths": [path]}
        more = {"media_type": "application/pdf", "size_bytes": 48_000}
        found[id_] = {**plain, **about, **more, "added_at": "2026-11-20T09:30:00+00:00"}
    return dict(reversed(found.items()))


@pytest.fixture
def stocked(site):
    """Let the server hold many documents."""
    there = documents()
    told = {"documents": there, "texts": dict.fromkeys(there, MANUAL), "done": []}
    httpx.post(site + "/scene", json=told, timeout=60, verify=False).raise_for_status()


def fits(page) -> bool:
    """Tell whether nothing reaches over the right edge."""
    return page.evaluate(
        "(() => { const m = document.querySelector('.stMain');"
        " return m.scrollWidth <= m.clientWidth + 1; })()"
    )


@pytest.mark.parametrize(
    "look",
    [one if one == "en-light" else pytest.param(one, marks=pytest.mark.slow) for one in LOOKS],
)
def test_list_figures_and_collections_look_well_on_every_screen(visit, stocked, look):  # noqa: F811
    page = visit("/ui/documents", **LOOKS[look])
    page.locator(".q-row", has_text="manual.pdf").first.wait_for()
    page.locator(".q-row", has_text="onerror").first.wait_for()
    assert fits(page)
    picture(page, f"list-{look}", is_whole=True)

    page.get_by_role("tab").nth(4).click()
    page.locator("[data-testid='stVegaLiteChart'] canvas, [data-testid='stVegaLiteChart'] svg").nth(
        3
    ).wait_for()
    assert fits(page)
    picture(page, f"figures-{look}", is_whole=True)

    page.get_by_role("tab").nth(3).click()
    page.locator(".st-key-collection_name").wait_for()
    assert fits(page)
    picture(page, f"collections-{look}")


def test_a_chunk_of_a_pdf_is_seen_on_its_page(visit, stocked):  # noqa: F811
    page = visit("/ui/documents")
    dialog = page.get_by_role("dialog")
    preview = page.get_by_role("button", name="Preview").nth(1)
    click_until(preview, dialog.locator(".q-picked").first)
    picture(page, "preview-pdf-text")

    dialog.get_by_text("Page", exact=True).last.click()
    dialog.get_by_text("Page 1 of 3").wait_for()
    dialog.locator("img").first.wait_for()
    dialog.get_by_role("button", name="Next").click()
    dialog.get_by_text("Page 2 of 3").wait_for()
    picture(page, "preview-pdf-page")


def test_filters_narrow_the_list_and_several_are_deleted_with_the_keyboard(
    visit,  # noqa: F811
    stocked,
    site,
):
    page = visit("/ui/documents")
    page.get_by_role("button", name="Filter").click()
    page.get_by_text("Clear the filters").wait_for()
    picture(page, "filters-en-light")
    page.locator(".st-key-filter_type input, .st-key-filter_type button").first.click()
    page.get_by_role("option", name="PDF (2)").click()
    page.get_by_text("1–2 of 2").wait_for()
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Select this page").click()
    page.get_by_text("2 selected").wait_for()
    page.get_by_role("button", name="Delete selected").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("comes back as soon as").wait_for()
    picture(page, "delete-many-en-light")
    sure = dialog.get_by_role("button", name="Delete", exact=True)
    sure.focus()
    page.keyboard.press("Enter")

    page.get_by_text("No document matches these filters").wait_for()
    left = httpx.get(site + "/kb/documents", params={"collection": "default"}).json()
    assert left["total"] == 23
    assert test_browser.CHROMIUM
