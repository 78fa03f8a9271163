"""A token for the hub's own user, created and stored by `hallway serve` if requests need a token.

If the kernel does not tell which user owns a connection, a hub on loopback requires tokens. So that its own user need
not create one by hand, it is created once and stored with the tokens of `hallway login`; every command sends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.core.errors import AlreadyTaken
from hallway.core.model import ADMIN
from hallway.hub.auth.caller import owner_name
from hallway.local import credentials
from hallway.local.paths import data_folder
from hallway.services.tokens import digest_of

if TYPE_CHECKING:
    from hallway.bus.local import LocalBus

SUFFIX = "-local"  # keeps the name different from names that an admin gives to persons


def provide_token(bus: LocalBus, addresses: list[str]) -> bool:
    """Store a valid admin's token for a hub's addresses; returns whether something had to be stored."""
    folder, valid = data_folder(), bus.tokens.valid()
    stored = credentials.read(folder)
    good = {url: token for url, token in stored.items() if (who := valid.get(digest_of(token))) and who.role == ADMIN}
    missing = [each for each in addresses if each not in good]
    if not missing:
        return False
    token = next(iter(good.values()), None) or _new_token(bus)
    for address in missing:
        credentials.store(address, token, folder)
    return True


def _new_token(bus: LocalBus) -> str:
    name = owner_name() + SUFFIX
    try:
        return bus.tokens.create(name, ADMIN).token
    except AlreadyTaken:  # made by an earlier hub, whose stored token is lost
        return bus.tokens.rotate(name).token
