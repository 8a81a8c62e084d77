"""A browser without a network, for every test that looks at a page."""

import os
import shutil
from pathlib import Path

import pytest

# One key for all tests, in every process they start; never the user's own.
os.environ["RELKIT_PSEUDONYM_KEY"] = "a key that only tests have"

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def chromium_path():
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        line = "no Chromium on this machine: pages are not opened in a browser"
        if os.environ.get("RELKIT_REQUIRE_BROWSER") == "1":
            pytest.fail(line + ", but RELKIT_REQUIRE_BROWSER=1 asks for it")
        pytest.skip(line)
    return found


@pytest.fixture(scope="session")
def browser(chromium_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium_path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """Open HTML as a file with every request but the file's refused; returns (page, refused)."""
    contexts = []

    def open_html(html, **options):
        path = Path(tmp_path) / f"page{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, **options})
        contexts.append(context)
        page = context.new_page()
        asked = []

        def only_the_file(route):
            if route.request.url == path.as_uri():
                return route.continue_()
            asked.append(route.request.url)
            return route.abort()

        page.route("**/*", only_the_file)
        errors = []
        page.on(
            "console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(path.as_uri())
        page.evaluate("document.fonts.ready")
        return page, asked, errors

    yield open_html
    for context in contexts:
        context.close()
