"""The command `hallway open`: show a hub's page in the browser, logged in as the caller."""

from __future__ import annotations

import http.client
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hallway.bus.hub_endpoint import new_connection
from hallway.cli.terminal import out
from hallway.core.errors import FileUnusable, HubUnreachable, from_dict
from hallway.core.redaction import reason, redact_url
from hallway.core.schema import decode, encode
from hallway.local.credentials import token_for
from hallway.local.paths import HUBS, bus_address, data_folder, make_private_folder, require_readable
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

DEFAULT = "http://127.0.0.1:7433"
TIMEOUT_S = 20
LINK = "/page/link"
FILE_NAME = "open.html"


def open_(args: Namespace) -> None:
    """Show a hub's page in the browser, logged in.

    The hub is the one at the given address, else the bus in use, if it is a hub, else on this machine. If the hub
    requires a token, the stored token of this hub creates a login link that works once, within two minutes. With
    --print the command only prints the link, for a browser on another machine.
    """
    address = (args.address or _hub_in_use(args.url) or DEFAULT).rstrip("/")
    link = address + _path(address)
    if args.is_printed or args.is_json:
        out().write(clean_json(encode({"url": link})) if args.is_json else sanitize(link))
        return
    import webbrowser

    # The link is passed in a private file: every user of the machine can see the arguments of the browser's process.
    webbrowser.open(f"file://{_write_file(link)}" if "?" in link else link)
    out().write(f"Opened {sanitize(address)} in the browser. Without one here: hallway open --print")


def open_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "address", metavar="URL", nargs="?", help=f"the hub's address (else: the hub in use, {DEFAULT})"
    )
    parser.add_argument("--print", action="store_true", dest="is_printed", help="print the link, do not open it")


def _hub_in_use(url: str | None) -> str | None:
    address = bus_address(url) or ""
    return address.split(",")[0].strip() if address.startswith(HUBS) else None


def _path(address: str) -> str:
    """Return the path of the page: a login link if the hub requires this user's token, else the page itself."""
    require_readable(address)
    token, parts = token_for(address, data_folder), urlsplit(address)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection = new_connection(parts, TIMEOUT_S)
        connection.request("POST", parts.path + LINK, headers=headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise HubUnreachable(
            f"no hub answers at {redact_url(address)}: {reason(address, error)}", hint="Start one: hallway serve"
        ) from None
    try:
        answer = decode(body)
        if response.status != 200:
            raise from_dict(answer)
        path: str = answer["path"]
    except (ValueError, TypeError, KeyError):
        raise HubUnreachable(
            f"{redact_url(address)} answered with status {response.status}, but not as a hub does"
        ) from None
    return path


def _write_file(link: str) -> str:
    from html import escape

    path = os.path.join(data_folder(), FILE_NAME)
    page = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={escape(link)}">\n'
    try:
        make_private_folder(data_folder())
        if os.path.exists(path):
            os.unlink(path)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(page)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be written: {error.strerror}", hint="hallway open --print") from None
    return path
