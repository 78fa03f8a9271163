"""Debian's Chromium, driven by Playwright: its own downloads are not needed."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str:
    """Where the browser is; the Makefile's `browser` target installs it."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "no Chromium here: make browser"
    return found


@contextmanager
def open_browser() -> Iterator[Browser]:
    # Chromium's sandbox refuses to run for root, which is who CI is.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=[*options, "--disable-gpu"])
        yield browser
        browser.close()
