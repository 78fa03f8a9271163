"""The page of claims and conflicts: who holds which files until when, and which files two sessions write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.core.short_ids import short_ids
from hallway.services.claims import ClaimRegistry
from hallway.services.conflicts import ConflictRegistry

if TYPE_CHECKING:
    from hallway.core.model import Claim, Conflict
    from hallway.web.site import Site

LIST = ClaimRegistry.operations["list_claims"]
CONFLICTS = ConflictRegistry.operations["find"]

MAX_SHOWN = 500


async def claims(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the claims that are granted or wait, the oldest first, and the conflicts, the newest first."""
    wanted = {name: query.get(name, "") for name in ("project", "q")}
    project = wanted["project"] or None
    listed: list[Claim] = await site.ask(LIST, project=project, limit=MAX_SHOWN)
    found: list[Conflict] = await site.ask(CONFLICTS, project=project, limit=MAX_SHOWN)
    names = await site.names_of(listed)
    names |= {party.session_id: party.name for each in found for party in each.sessions if party.name}
    return {
        "filters": wanted,
        "is_filtered": any(wanted.values()),
        "choices": {"project": site.projects(wanted["project"])},
        "claims": [
            each
            for each in listed
            if _fits(wanted["q"], *each.paths, each.intent, each.session_id, names.get(each.session_id, ""))
        ],
        "conflicts": [
            each
            for each in found
            if _fits(wanted["q"], each.path, *(names.get(party.session_id, "") for party in each.sessions))
        ],
        "names": names,
        "short_ids": short_ids(each.claim_id for each in listed),
        "is_cut": len(listed) == MAX_SHOWN,
    }


def _fits(words: str, *texts: str) -> bool:
    return not words or any(words.casefold() in each.casefold() for each in texts)
