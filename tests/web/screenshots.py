"""`make screenshots`: the pages of four hubs in both themes and three widths. Look at them.

The hubs: the morning of `scene.py`, the 24 sessions of `attention_scene.py`, one with 500 sessions, and an empty one.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

import attention_scene
from hallway.bus.local import LocalBus
from hallway.core.clock import SECOND, FakeClock
from hallway.store.sqlite import SQLiteStore
from hub.process import HubProcess
from support import Here
from web.browser import open_browser
from web.scene import INFRA, SHOP, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

WIDTHS = {390: 844, 768: 1024, 1440: 900}  # with their heights
HUGE = (2560, 1300)
README_SHOT = Path(__file__).parents[2] / "docs" / "page.png"
PAGES = {
    "home": "/",
    "filtered": "/?status=waiting",
    "attention": "/page/attention",
    "inbox": "/page/inbox",
    "compose": "/page/compose",
    "session": "/page/session?id=release",
    "messages": "/page/messages",
    "found": "/page/messages?q=orders",
    "requests": "/page/messages?requests=unanswered",
    "thread": "THREAD",
    "tasks": "/page/tasks",
    "dragging": "/page/tasks",
    "task": "TASK",
    "claims": "/page/claims",
    "memory": f"/page/memory?project={SHOP}&q=orders",
    "entry": f"/page/entry?key=db/orders&project={SHOP}",
    "edit": f"/page/edit?key=db/orders&project={SHOP}",
    "events": "/page/events",
    "stats": "/page/stats",
    "nothing": f"/page/memory?project={INFRA}",
    "missing": "/page/session?id=logni",
}
LINKS = {"THREAD": ("/page/messages", "Is the cart test"), "TASK": ("/page/tasks", "Review the login")}
EMPTY = ("home", "inbox", "messages", "tasks", "claims", "nothing", "events", "stats")
OF_24 = ("home", "attention", "tasks", "messages", "claims")
OF_500 = ("home", "events", "stats")


def play_afternoon(home: Path) -> None:
    """Write the scene of 24 sessions onto the bus in a folder, ending now."""
    clock = FakeClock(time.time_ns() // 1000 - attention_scene.BEGAN_MIN * 60 * SECOND)
    with LocalBus(SQLiteStore(str(home / "bus.db"), clock=clock), Here()) as bus:
        attention_scene.play(bus, clock)


def play_crowd(home: Path) -> None:
    """Write 500 sessions onto the bus in a folder, of which every fortieth asks something."""
    with LocalBus(SQLiteStore(str(home / "bus.db")), Here()) as bus, bus.transaction():
        for number in range(500):
            session_id, client = f"session-{number}", ("claude-code", "codex", "gemini")[number % 3]
            task = f"part {number} of the migration"
            project = f"github.com/acme/{('shop', 'infra', 'app')[number // 7 % 3]}"
            branch = f"work/part-{number}"
            bus.sessions.register(session_id, session_id, client, project=project, branch=branch, ttl_s=86_400)
            bus.sessions.heartbeat(session_id, status="working", current_task=task)
            if number % 40 == 0:
                bus.sessions.update_status(session_id, "waiting", reason="question", detail=f"Is {task} needed?")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        for name, write, pages in (
            ("", play, tuple(PAGES)),
            ("24-", play_afternoon, OF_24),
            ("500-", play_crowd, OF_500),
            ("empty-", lambda home: None, EMPTY),
        ):
            with tempfile.TemporaryDirectory() as home, a_hub(Path(home) / "hallway", write) as hub:
                take(browser, hub.url, pages, folder / name if name else folder)


def a_hub(home: Path, write: Callable[[Path], None]) -> HubProcess:
    home.mkdir()
    write(home)
    return HubProcess(home)


def take(browser: Browser, url: str, pages: tuple[str, ...], where: Path) -> None:
    """Take a picture of each page at every width in both themes; `where` ends with what the files' names begin with."""
    prefix = str(where) if where.name.endswith("-") else f"{where}/"
    for theme in ("light", "dark"):
        for width, height in (*WIDTHS.items(), HUGE):
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=theme,
                base_url=url,
                timezone_id="Europe/Berlin",
            )
            page = context.new_page()
            for name in pages:
                if (width, height) == HUGE and name not in ("home", "session"):
                    continue
                show(page, name)
                page.screenshot(path=f"{prefix}{name}-{theme}-{width}.png", full_page=width < 1000)
                if (name, theme, width) == ("home", "light", 1440) and prefix.endswith("/"):
                    page.screenshot(path=README_SHOT)
                page.mouse.move(1, 1)  # where nothing can be dropped
                page.mouse.up()
            context.close()


def show(page: Page, name: str) -> None:
    """Open a page as it is to be pictured."""
    if PAGES[name] in LINKS:
        before, link = LINKS[PAGES[name]]
        page.goto(before)
        page.get_by_role("link", name=link).first.click()
    else:
        page.goto(PAGES[name])
    page.wait_for_selector("#link-state[data-state=live]")
    if name == "stats":
        page.wait_for_selector("[data-drawn]")
    if name == "dragging":
        page.get_by_role("link", name="Round JPY").hover()
        page.mouse.down()
        for _ in range(2):
            page.locator("[data-column=accepted]").hover()
    page.wait_for_timeout(250)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"))
