"""This user's tokens for hubs: `HALLWAY_TOKEN`, else the tokens that `hallway login` has stored.

The stored tokens are in one file of this user's data folder, which no other user may read (mode 0600).
"""

from __future__ import annotations

import os

from hallway.core.errors import FileUnusable, InvalidInput
from hallway.core.schema import decode, encode
from hallway.local.paths import make_private_folder, normalise_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FILE_NAME = "credentials.json"


def token_for(url: str, folder: Callable[[], str]) -> str | None:
    """Return the token to send to a hub; None if there is none. Raises InvalidInput if a header cannot hold it."""
    token = os.environ.get("HALLWAY_TOKEN", "").strip() or _stored(url, folder())
    return None if token is None else checked(token)


def _stored(url: str, folder: str) -> str | None:
    """Return the stored token for an address. In a list of hubs, a token for one hub is valid for all of them."""
    credentials = read(folder)
    return next((credentials[each] for each in _addresses(url) if each in credentials), None)


def checked(token: str) -> str:
    if not (token.isascii() and token.isprintable() and token and " " not in token):
        raise InvalidInput("the token has invalid characters", hint="Copy the token again; it begins with hallway_")
    return token


def store(url: str, token: str | None, folder: str) -> bool:
    """Store the token of a hub or of several, or remove it (None); return whether there was one before."""
    credentials = read(folder)
    addresses = _addresses(url)
    had_one = any(each in credentials for each in addresses)
    credentials = {each: kept for each, kept in credentials.items() if each not in addresses}
    if token is not None:
        credentials.update(dict.fromkeys(addresses, token))
    path = os.path.join(folder, FILE_NAME)
    try:
        make_private_folder(folder)
        # A new file replaces the old one: a reader sees one of them as a whole, and no umask can widen its mode.
        half = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(half, "w", encoding="utf-8") as file:
            os.chmod(f"{path}.new", 0o600)
            file.write(encode(credentials))
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be written: {error.strerror}") from None
    return had_one


def read(folder: str) -> dict[str, str]:
    """Return all stored tokens by the address of their hub."""
    path = os.path.join(folder, FILE_NAME)
    try:
        with open(path, encoding="utf-8") as file:
            credentials = decode(file.read())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise FileUnusable(f"{path} cannot be read: {error}", hint="Log in again: hallway login URL") from None
    if not isinstance(credentials, dict):
        return {}
    tokens = {url: token for url, token in credentials.items() if isinstance(token, str)}
    return {each: token for url, token in tokens.items() for each in _addresses(url)}


def _addresses(url: str) -> list[str]:
    return normalise_address(url).split(",")
