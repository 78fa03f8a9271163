"""`GET /page/headlines`: the headlines of what needs attention, which the page shows as browser notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.core.errors import HallwayError
from hallway.hub.auth.caller import caller_of
from hallway.hub.http import JSON_TYPE, encode_json, respond, respond_error
from hallway.notifications.notification import headline_of
from hallway.services.attention import AttentionList

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from hallway.core.model import Attention
    from hallway.web.site import Site

READ = AttentionList.operations["read"]
PATH = "/page/headlines"
MAX_HEADLINES = 200


class HeadlinesEndpoint:
    """The items that need the viewer, each as its id and its headline, and how many there are."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        site = self._site.for_caller(caller_of(scope))
        try:
            page: Attention = await site.ask(READ, limit=MAX_HEADLINES)
        except HallwayError as error:
            await respond_error(send, error)
            return
        items = [
            {"item_id": each.item_id, "headline": headline_of(each)} for each in page.items if each.state == "open"
        ]
        answered = len(page.items) - len(items)
        body = encode_json({"version": page.version, "total": page.total - answered, "items": items})
        await respond(send, body, headers=(JSON_TYPE, (b"cache-control", b"no-store")))
