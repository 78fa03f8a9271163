"""The commands `hallway login` and `hallway logout`: store and remove a hub's token."""

from __future__ import annotations

import sys
from shlex import quote
from typing import TYPE_CHECKING

from hallway.cli.run import bus_in_use
from hallway.cli.terminal import err, out
from hallway.cli.use import select
from hallway.core.errors import InvalidInput
from hallway.core.redaction import redact_url
from hallway.core.schema import encode
from hallway.local.credentials import checked, store
from hallway.local.paths import HUBS, bus_address, data_folder, normalise_address
from hallway.local.workspace import LocalWorkspace
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

MAX_TOKEN = 500


def login(args: Namespace) -> None:
    """Store your token for a hub; every command then sends it to that hub.

    The command asks for the token, or reads it from standard input. It tries the token at the hub and stores it in a
    file that no other user may read. With --use the commands and the agents of this user use this hub from then on, as
    after hallway use URL.
    """
    from hallway.bus.remote import RemoteBus

    address = _hub(args.address)
    token = checked(_asked_for())
    with RemoteBus(address, LocalWorkspace(), token) as bus:
        who = bus.tokens.whoami()
    store(address, token, data_folder())
    seen = "all projects" if who.projects is None else ", ".join(who.projects)
    hub = redact_url(address)
    text = f"Logged in to {sanitize(hub)} as {sanitize(str(who.name))} ({who.role}, {sanitize(seen)})"
    out().write(clean_json(encode(who)) if args.is_json else text)
    if args.is_used:
        select(address)
    elif bus_address() != address:
        err().write(f"Commands use another bus: {sanitize(bus_in_use())}. To use this hub: hallway use {quote(hub)}")
    if any(each.startswith("http://") and not _is_loopback(each) for each in address.split(",")):
        err().write("This address does not use TLS: others on the network can read the token.")


def logout(args: Namespace) -> None:
    """Forget the stored token of a hub. The hub still accepts the token."""
    address = _hub(args.address)
    had_one, hub = store(address, None, data_folder()), redact_url(address)
    text = f"Logged out of {sanitize(hub)}" if had_one else f"There is no login for {sanitize(hub)}"
    out().write(clean_json(encode({"address": hub, "had_one": had_one})) if args.is_json else text)


def address_option(parser: ArgumentParser) -> None:
    parser.add_argument("address", metavar="URL", help="the hub's address: https://HOST:PORT; several: A,B")


def login_options(parser: ArgumentParser) -> None:
    address_option(parser)
    parser.add_argument("--use", action="store_true", dest="is_used", help="use this hub from now on: hallway use URL")


def _hub(address: str) -> str:
    """Return a hub's address, or several, in one form; raise InvalidInput for the address of something else."""
    normal = normalise_address(address)
    if not all(each.startswith(HUBS) for each in normal.split(",")):
        raise InvalidInput(f"{address} is not a hub's address", hint="A hub's address begins with https:// or http://")
    return normal


def _asked_for() -> str:
    if sys.stdin is None:
        raise InvalidInput("there is no standard input to read the token from")
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass("Token: ").strip()
    return sys.stdin.readline(MAX_TOKEN).strip()


def _is_loopback(address: str) -> bool:
    from urllib.parse import urlsplit

    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
