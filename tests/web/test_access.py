"""axe-core finds nothing on any page, at three widths and in both themes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from hallway.web.render import address
from web.conftest import live
from web.scene import SHOP, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from hallway.bus.local import LocalBus
    from hub.process import HubProcess

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": TAGS}}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_no_page_has_a_barrier(
    open_tab: Callable[..., Page], hub: HubProcess, bus: LocalBus, theme: str, width: int
) -> None:
    options = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    empty = open_tab("/", **options)
    barriers = {"empty": found(empty)}
    play(hub.home)
    sent, task = bus.messages.sent(limit=1)[0], bus.tasks.list_tasks()[0]
    page = open_tab("/page/stats", **options)
    page.wait_for_selector("[data-drawn]")
    barriers["stats"] = found(page)
    for each in (
        "/",
        "/?status=waiting",
        "/page/session?id=login",
        "/page/attention",
        "/page/inbox",
        "/page/compose",
        "/page/messages",
        "/page/messages?requests=unanswered",
        address("/page/thread", id=sent.message_id),
        "/page/tasks",
        address("/page/task", id=task.task_id),
        address("/page/memory", project=SHOP, q="orders"),
        address("/page/entry", key="db/orders", project=SHOP),
        "/page/messages?q=orders",
        "/page/claims",
        address("/page/edit", key="db/orders", project=SHOP),
        "/page/edit",
        "/page/events",
        "/page/nothing",
        "/page/session?id=nobody",
    ):
        page.goto(each)
        live(page)
        page.evaluate("document.querySelectorAll('#live details').forEach((each) => { each.open = true; })")
        page.evaluate("scrollTo(0, 0)")  # a box that opens takes the focus, and something is then below the page's head
        barriers[each] = found(page)
    page.goto("/")
    page.get_by_role("button", name="Keyboard help").click()
    barriers["help"] = found(page)
    assert {each: barrier for each, barrier in barriers.items() if barrier} == {}


def found(page: Page) -> list[str]:
    """The violations: which rule, and where."""
    results = Axe().run(page, options=OPTIONS)
    return [
        f"{violation['id']}: {[node['target'] for node in violation['nodes'][:3]]}"
        for violation in results.response["violations"]
    ]
