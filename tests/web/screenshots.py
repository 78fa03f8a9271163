"""`make screenshots`: every page in both themes and two widths, of a hub with a scene on it. Look at them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hub.process import HubProcess
from web.browser import open_browser
from web.scene import INFRA, SHOP, play

WIDTHS = {"narrow": (360, 780), "wide": (1440, 900)}
README_SHOT = Path(__file__).parents[2] / "docs" / "page.png"
PAGES = {
    "home": "/",
    "filtered": "/?status=waiting",
    "session": "/page/session?id=release",
    "messages": "/page/messages",
    "thread": "THREAD",
    "tasks": "/page/tasks",
    "task": "TASK",
    "claims": "/page/claims",
    "memory": f"/page/memory?project={SHOP}&q=orders",
    "entry": f"/page/entry?key=db/orders&project={SHOP}",
    "events": "/page/events",
    "stats": "/page/stats",
    "nothing": f"/page/memory?project={INFRA}",
    "missing": "/page/session?id=logni",
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        HubProcess(play_in(Path(home) / "hallway")) as hub,
        open_browser() as browser,
    ):
        for theme in ("light", "dark"):
            for width, size in {**WIDTHS, "huge": (2560, 1300)}.items():
                context = browser.new_context(
                    viewport={"width": size[0], "height": size[1]}, color_scheme=theme, base_url=hub.url
                )
                page = context.new_page()
                for name, address in PAGES.items():
                    if width == "huge" and name not in ("home", "session"):
                        continue
                    if address.isupper():
                        page.goto("/page/messages" if name == "thread" else "/page/tasks")
                        wanted = "Is the cart test" if name == "thread" else "Review the login"
                        page.get_by_role("link", name=wanted).first.click()
                    else:
                        page.goto(address)
                    page.wait_for_selector("#link-state[data-state=live]")
                    if name == "stats":
                        page.wait_for_selector("[data-drawn]")
                    page.wait_for_timeout(250)
                    page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=width == "narrow")
                    if (name, theme, width) == ("home", "light", "wide"):
                        page.screenshot(path=README_SHOT)
                context.close()


def play_in(home: Path) -> Path:
    play(home)
    return home


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"))
