"""The command `hallway use`: select the bus that this user's commands and agents use when `HALLWAY_URL` is not set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hallway.cli.run import bus_in_use
from hallway.cli.terminal import err, out
from hallway.core.errors import FileUnusable, HallwayError, UnsupportedUrl
from hallway.core.redaction import redact_url
from hallway.core.schema import encode
from hallway.local.paths import (
    HUBS,
    SELECTED,
    address_source,
    bus_address,
    data_folder,
    make_private_folder,
    normalise_address,
)
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

LOCAL = "local"  # the name of this user's own file
DATABASES = ("postgresql://", "postgres://", "sqlite:///")


def use(args: Namespace) -> None:
    """Select the bus that your commands and agents use; without an address, show it.

    The bus is a hub (https://HOST:PORT; several: A,B), postgresql://…, a folder, or local: this user's own file. The
    selection is stored for this user, and holds for hooks and MCP servers, too. HALLWAY_URL and --url go before it.
    Run hallway install afterwards, so that the agents' hooks look for news of this bus.
    """
    if args.address is not None:
        select(None if args.address == LOCAL else args.address)
    if args.is_json:
        address = bus_address()
        out().write(clean_json(encode({"address": address and redact_url(address), "source": address_source()})))
    else:
        out().write(f"Bus: {sanitize(bus_in_use())}")


def use_options(parser: ArgumentParser) -> None:
    parser.add_argument("address", metavar="URL", nargs="?", help=f"the bus to use; {LOCAL}: this user's own file")


def select(address: str | None) -> None:
    """Store the address of the bus to use; None is this user's own file. Warn if another bus is used nevertheless."""
    from hallway.agents.install.plan import RECORD

    before, path = bus_address(), os.path.join(data_folder(), SELECTED)
    try:
        if address is None:
            if os.path.exists(path):
                os.unlink(path)
        else:
            make_private_folder(data_folder())
            with open(
                os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                file.write(f"{_stored(address)}\n")
            os.replace(f"{path}.new", path)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be written: {error.strerror}") from None
    if os.environ.get("HALLWAY_URL"):
        err().write("HALLWAY_URL is set here and goes before the selection: unset HALLWAY_URL")
    elif before != bus_address() and os.path.exists(os.path.join(data_folder(), RECORD)):
        err().write("So that the agents' hooks look for news of this bus: hallway install")
    _warn_of_silent_hub(bus_address())


def _stored(address: str) -> str:
    """Return an address as it is stored: of a folder or file, the absolute path."""
    normal = normalise_address(address)
    if normal.startswith((*HUBS, *DATABASES)):
        return normal
    if "://" in normal:
        raise UnsupportedUrl(f"{normal.partition('://')[0]}:// is not an address that this version can open")
    return os.path.abspath(os.path.expanduser(normal))


def _warn_of_silent_hub(address: str | None) -> None:
    """Say so if the selected hub does not answer, or does not accept this user's token; it stays selected."""
    if not (address and address.startswith(HUBS)):
        return
    from hallway.bus.connect import connect

    try:
        with connect(address) as bus:
            bus.tokens.whoami()
    except HallwayError as error:
        err().write(f"{sanitize(error.message)}. {sanitize(error.hint)}")
