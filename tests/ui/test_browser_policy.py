"""Every page in a real browser under its content policy: nothing is refused, nothing leaks out."""

import shutil

import pytest

from tests.ui.test_browser import ARGS, CHROMIUM

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [
    pytest.mark.timeout(300),  # a busy machine takes its time
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None,
        reason="NO BROWSER TESTS: Chromium is missing; install it: sudo apt-get install chromium",
    ),
]
WATCH = """
window.refused = [];
document.addEventListener('securitypolicyviolation', event => {
  window.refused.push(event.violatedDirective + ' ' + event.blockedURI);
});
"""


@pytest.fixture(scope="module")
def pages(site):
    """Visit every page that the menu names; gather what the browser complained of."""
    found = {}
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        context = browser.new_context(locale="en-US")
        context.add_init_script(WATCH)
        page = context.new_page()
        page.set_default_timeout(60_000)
        said = []
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        answer = page.goto(f"{site}/ui/")
        page.get_by_test_id("stSidebarNavLink").first.wait_for()
        names = page.get_by_test_id("stSidebarNavLink").evaluate_all(
            "all => all.map(one => one.getAttribute('href'))"
        )
        for name in names:
            page.goto(name if name.startswith("http") else site + name)
            page.get_by_test_id("stSidebarNavLink").first.wait_for()
            page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")
            page.wait_for_load_state("networkidle")
            found[name] = (page.evaluate("window.refused"), list(said))
            said.clear()
        found["headers"] = answer.headers
        found["eval"] = page.evaluate(
            "fetch('https://example.invalid/').then(() => 'asked', error => String(error))"
        )
        found["refused"] = page.evaluate("window.refused")
        browser.close()
    return found


def test_the_pages_come_with_their_policy(pages):
    assert "frame-ancestors 'none'" in pages["headers"]["content-security-policy"]
    assert pages["headers"]["x-content-type-options"] == "nosniff"


def test_no_page_wants_what_its_policy_forbids(pages):
    visited = {name: told for name, told in pages.items() if name.startswith(("/", "http"))}

    assert len(visited) >= 4
    for name, (refused, said) in visited.items():
        assert refused == [], name
        assert [one for one in said if "Content Security Policy" in one] == [], name


def test_a_page_cannot_call_another_host_even_if_a_document_made_it_try(pages):
    assert pages["eval"] != "asked"
    assert any(one.startswith("connect-src") for one in pages["refused"])
