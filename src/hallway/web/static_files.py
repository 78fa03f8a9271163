"""The page's static files. Their paths contain a digest of the content, so browsers may cache them for ever."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from hallway.core.errors import NotFound
from hallway.core.schema import quote_value
from hallway.hub.http import respond, respond_error

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

FOLDER = Path(__file__).parent / "static"
PREFIX = "/page/static"
TYPES = {
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
}


class StaticFiles:
    """The static files: templates look up their URLs by name, and browsers request them by digest and name."""

    def __init__(self) -> None:
        self._bodies = {path.name: path.read_bytes() for path in sorted(FOLDER.rglob("*")) if path.suffix in TYPES}
        self._urls = {name: f"{PREFIX}/{sha256(body).hexdigest()[:16]}/{name}" for name, body in self._bodies.items()}

    def url(self, name: str) -> str:
        return self._urls[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["name"]
        # Another digest belongs to an older or newer version of hallway, whose files are not here.
        if self._urls.get(name) != scope["path"]:
            await respond_error(send, NotFound(f"the page has no file {quote_value(name)} of this version"))
            return
        headers = (
            (b"content-type", TYPES[name[name.rindex(".") :]]),
            (b"cache-control", b"public, max-age=31536000, immutable"),
        )
        await respond(send, self._bodies[name], headers=headers)
