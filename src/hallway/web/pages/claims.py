"""The page of claims: who holds which files, for what and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.core.short_ids import short_ids
from hallway.services.claims import ClaimRegistry

if TYPE_CHECKING:
    from hallway.core.model import Claim
    from hallway.web.site import Site

LIST = ClaimRegistry.operations["list_claims"]

MAX_SHOWN = 500


async def claims(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the claims that are granted or wait, in the order in which they were asked for."""
    wanted = {name: query.get(name, "") for name in ("project", "q")}
    listed: list[Claim] = await site.ask(LIST, project=wanted["project"] or None, limit=MAX_SHOWN)
    names = await site.names_of(listed)
    return {
        "filters": wanted,
        "is_filtered": any(wanted.values()),
        "choices": {"project": site.projects(wanted["project"])},
        "claims": [each for each in listed if _fits(each, names.get(each.session_id, ""), wanted["q"])],
        "names": names,
        "short_ids": short_ids(each.claim_id for each in listed),
        "is_cut": len(listed) == MAX_SHOWN,
    }


def _fits(claim: Claim, name: str, text: str) -> bool:
    texts = (*claim.paths, claim.intent, claim.session_id, name)
    return not text or any(text.casefold() in each.casefold() for each in texts)
