"""Forms of the page, and their protection against cross-site requests.

There are three checks, and each alone stops a page of another site: the hub checks the Origin header; `Sec-Fetch-Site`
must be `same-origin`; and the form or a header must repeat the token of a cookie that only requests from this origin
carry (SameSite=Strict).
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from hallway.core.errors import InvalidInput, Refused
from hallway.hub.http import cookie, header, read_body

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

COOKIE = "hallway_page"
TOKEN_FIELD = "token"  # noqa: S105 (the name of a field)
TOKEN_HEADER = b"x-hallway-token"
FORM_TYPE = b"application/x-www-form-urlencoded"
MAX_FIELDS = 20


def csrf_token(scope: Scope) -> str | None:
    """Return the CSRF token of the request's cookie."""
    token = cookie(scope, COOKIE)
    return token if token.isascii() and len(token) >= 32 else None


def new_token() -> str:
    return secrets.token_urlsafe(24)


def cookie_header(token: str) -> tuple[bytes, bytes]:
    # The page's script reads this cookie and repeats it in a header, so a tab that is open for days has a valid token.
    return b"set-cookie", f"{COOKIE}={token}; Path=/; SameSite=Strict".encode()


async def read_form(scope: Scope, receive: Receive) -> dict[str, str]:
    """Return the fields of a form; raises Refused if another page sent it, InvalidInput if the body is not a form."""
    came_from = header(scope, b"sec-fetch-site")
    if came_from not in (b"", b"same-origin"):
        raise Refused(
            f"the form was sent by a page that is not the hub's own ({came_from.decode('latin-1')[:20]})",
            hint="Open the hub's page and submit the form there",
        )
    if header(scope, b"content-type").partition(b";")[0].strip().lower() != FORM_TYPE:
        raise InvalidInput("the request's body is not a form", hint="POST /messages takes JSON")
    body = await read_body(scope, receive)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise InvalidInput(f"the form cannot be read: {error}", hint="Percent-encode it as UTF-8") from None
    fields = dict(pairs)
    given = header(scope, TOKEN_HEADER).decode("latin-1") or fields.pop(TOKEN_FIELD, "")
    fields.pop(TOKEN_FIELD, None)
    token = csrf_token(scope)
    if token is None or not hmac.compare_digest(given.encode(), token.encode()):
        raise Refused("the form has no token of this browser", hint="Load the page again, then send it once more")
    return fields
