"""What a person waits for: the first paint of a page, and an event to show on it."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

import hallway
from bench.tools import HERE, HubProcess, Result, fill, folder

SESSIONS = 1000
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SAW = """([id, text]) => new Promise((done) => {
    const row = () => document.getElementById(id)?.textContent ?? "";
    const look = () => { if (row().includes(text)) { watch.disconnect(); done(Date.now()); } };
    const watch = new MutationObserver(look);
    watch.observe(document.getElementById("live"), { subtree: true, childList: true, characterData: true });
    look();
})"""


def all_results() -> Iterator[Result]:
    with folder() as home, sync_playwright() as playwright:
        fill(home, SESSIONS)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        with HubProcess(home) as hub:
            yield from first_paint(browser, hub)
            yield from event_to_page(browser, hub, home)
        browser.close()
    yield wheel()


def first_paint(browser: Browser, hub: HubProcess) -> Iterator[Result]:
    """Each time in a new profile: no cache, no connection."""
    paints, answers = [], []
    for _ in range(9):
        page = browser.new_context(base_url=hub.url).new_page()
        page.goto("/")
        while not page.evaluate(PAINT):  # the page's policy lets nobody poll by eval
            time.sleep(0.01)
        paints.append(float(page.evaluate(PAINT)))
        answers.append(float(page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd")))
        page.context.close()
    note = f"slowest {max(paints):.0f} ms; the hub's answer is there after {statistics.median(answers):.0f} ms"
    yield Result(
        f"first contentful paint with {SESSIONS:,} sessions",
        statistics.median(paints),
        1000,
        at_least=False,
        unit="ms",
        note=note,
    )


def event_to_page(browser: Browser, hub: HubProcess, home: str) -> Iterator[Result]:
    """From the return of a write in this process to the change in the document, by the one clock of the machine."""
    page = browser.new_context(base_url=hub.url).new_page()
    page.goto("/")
    page.wait_for_selector("#link-state[data-state=live]")
    taken = [_shown_after_ms(page, home, number) for number in range(30)]
    page.context.close()
    note = f"95th percentile {sorted(taken)[28]:.0f} ms; {SESSIONS:,} sessions, of which 100 are on the page"
    yield Result(
        "an event shows on the page after its commit",
        statistics.median(taken),
        200,
        at_least=False,
        unit="ms",
        note=note,
    )


def _shown_after_ms(page: Page, home: str, number: int) -> float:
    time.sleep(0.4)  # a quiet page, as it mostly is
    session_id, task = f"s{SESSIONS - 1}", f"step {number} of 30"
    with hallway.connect(home) as bus:
        page.evaluate("(args) => { window.saw = (" + SAW + ")(args); }", [f"s-{session_id}", task])
        bus.sessions.heartbeat(session_id, status="waiting", current_task=task)
        committed_ms = time.time() * 1000
    return float(page.evaluate("window.saw")) - committed_ms


def wheel() -> Result:
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, str(HERE.parent)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        (built,) = Path(out).glob("*.whl")
        with zipfile.ZipFile(built) as files:
            static = sum(each.compress_size for each in files.infolist() if "/web/" in each.filename)
        return Result(
            "the wheel",
            built.stat().st_size / 1024,
            1024,
            at_least=False,
            unit="KB",
            note=f"the page with its vendored files is {static / 1024:.0f} KB of it",
        )
