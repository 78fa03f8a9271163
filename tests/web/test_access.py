"""axe-core finds nothing serious on any page, in either theme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

SERIOUS = {"serious", "critical"}


LEVELS = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}  # what another theme can spoil


@pytest.mark.parametrize(("theme", "options"), [("light", LEVELS), ("dark", CONTRAST)])
def test_no_page_has_a_serious_barrier(
    open_tab: Callable[..., Page], hub: HubProcess, bus: LocalBus, theme: str, options: dict[str, Any]
) -> None:
    empty = open_tab("/", color_scheme=theme)
    barriers = {"empty": found(empty, options)}
    play(hub.home)
    sent, task = bus.messages.sent(limit=1)[0], bus.tasks.list_tasks()[0]
    page = open_tab("/page/stats", color_scheme=theme)
    page.wait_for_selector("[data-drawn]")
    barriers["stats"] = found(page, options)
    for each in (
        "/",
        "/?status=waiting",
        "/page/session?id=login",
        "/page/inbox",
        "/page/messages",
        "/page/messages?requests=unanswered",
        address("/page/thread", id=sent.message_id),
        "/page/tasks",
        address("/page/task", id=task.task_id),
        address("/page/memory", project=SHOP, q="orders"),
        address("/page/entry", key="db/orders", project=SHOP),
        "/page/events",
        "/page/session?id=nobody",
    ):
        page.goto(each)
        live(page)
        barriers[each] = found(page, options)
    page.goto("/")
    page.get_by_role("button", name="Keyboard help").click()
    barriers["help"] = found(page, options)
    assert {each: barrier for each, barrier in barriers.items() if barrier} == {}


def found(page: Page, options: dict[str, Any]) -> list[str]:
    """The serious violations: which rule, and where."""
    results = Axe().run(page, options={"resultTypes": ["violations"], **options})
    return [
        f"{violation['id']}: {[node['target'] for node in violation['nodes'][:3]]}"
        for violation in results.response["violations"]
        if violation["impact"] in SERIOUS
    ]
