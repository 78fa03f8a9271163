"""A browser for all tests of the page, and tabs in it that fail their test at any error of script or policy."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from hallway.bus.local import LocalBus
from hallway.store.sqlite import SQLiteStore
from hub.process import HubProcess
from support import Here
from web.browser import NAMES, open_browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from playwright.sync_api import Browser, BrowserContext, Page

PATIENCE_MS = 20_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser, and with it the event loop of its driver, beside which no test of another module could run its own."""
    if not any(map(shutil.which, NAMES)):
        pytest.skip("no Chromium here: make browser")
    with open_browser() as browser:
        yield browser


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    with HubProcess(tmp_path / "hallway") as hub:
        yield hub


@pytest.fixture
def bus(hub: HubProcess) -> Iterator[LocalBus]:
    """The hub's bus, opened by this process beside it, as an agent's hook would."""
    with LocalBus(SQLiteStore(str(hub.bus_file)), Here()) as bus:
        yield bus


@pytest.fixture
def open_tab(browser: Browser, hub: HubProcess) -> Iterator[Callable[..., Page]]:
    """Opens tabs on the hub, each in a profile of its own; whatever a console reports as an error fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_tab(address: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=hub.url, **{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
        page.goto(address)
        return page

    open_tab.errors = errors  # type: ignore[attr-defined]
    yield open_tab
    for context in contexts:
        context.close()
    # A hub that is away on purpose, and a page that answers 404.
    forgiven = ("net::ERR", "Failed to load resource", "htmx:sse:error", "htmx:error: Failed to fetch")
    assert not [each for each in errors if not any(word in each for word in forgiven)]


@pytest.fixture
def tab(open_tab: Callable[..., Page]) -> Page:
    """A tab on the home page, connected."""
    page = open_tab("/")
    live(page)
    return page


def live(page: Page) -> None:
    """Wait until the page hears of what happens."""
    page.wait_for_selector("#link-state[data-state=live]")
