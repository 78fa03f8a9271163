"""The commands `hallway login` and `hallway logout`: store and remove a hub's token."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hallway.cli.terminal import err, out
from hallway.core.errors import InvalidInput
from hallway.core.schema import encode
from hallway.local.credentials import checked, store
from hallway.local.paths import HUBS, data_folder
from hallway.local.workspace import LocalWorkspace
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

TOKEN_MOST = 500


def login(args: Namespace) -> None:
    """Store your token for a hub; every command then sends it to that hub.

    The command asks for the token, or reads it from standard input. It tries the token at the hub and stores it in a
    file that no other user may read.
    """
    from hallway.bus.remote import RemoteBus

    _require_hub(args.address)
    token = checked(_asked_for())
    with RemoteBus(args.address, LocalWorkspace(), token) as bus:
        who = bus.tokens.whoami()
    store(args.address, token, data_folder())
    seen = "all projects" if who.projects is None else ", ".join(who.projects)
    text = f"Logged in to {sanitize(args.address)} as {sanitize(str(who.name))} ({who.role}, {sanitize(seen)})"
    out().write(clean_json(encode(who)) if args.is_json else text)
    if args.address.startswith("http://") and not _is_loopback(args.address):
        err().write("This address does not use TLS: others on the network can read the token.")


def logout(args: Namespace) -> None:
    """Forget the stored token of a hub. The hub still accepts the token."""
    _require_hub(args.address)
    had_one = store(args.address, None, data_folder())
    text = f"Logged out of {sanitize(args.address)}" if had_one else f"There is no login for {sanitize(args.address)}"
    out().write(clean_json(encode({"address": args.address, "had_one": had_one})) if args.is_json else text)


def address_option(parser: ArgumentParser) -> None:
    parser.add_argument("address", metavar="URL", help="the hub's address: https://HOST:PORT")


def _require_hub(address: str) -> None:
    if not address.startswith(HUBS):
        raise InvalidInput(f"{address} is not a hub's address", hint="A hub's address begins with https:// or http://")


def _asked_for() -> str:
    if sys.stdin is None:
        raise InvalidInput("there is no standard input to read the token from")
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass("Token: ").strip()
    return sys.stdin.readline(TOKEN_MOST).strip()


def _is_loopback(address: str) -> bool:
    from urllib.parse import urlsplit

    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
