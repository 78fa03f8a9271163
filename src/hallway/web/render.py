"""The page's templates, and the filters for every text from the bus.

Jinja's escaping is always on. Escaping does not change control characters, which may reorder a line or act where the
text is pasted; `sanitize` removes those, as on a terminal (A3).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from hallway.core.model import EVERYBODY, MESSAGE_TYPES, PERSON, Event, is_session
from hallway.core.schema import to_builtins
from hallway.text import style
from hallway.text.sanitize import sanitize
from hallway.text.terminal_place import way_to_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Template

    from hallway.web.static_files import StaticFiles

LINK = re.compile(r"https?://[^\s<>\"'`\\^{|}\u2026]+")
LOOKS = {
    "session": style.STYLES,
    "message": style.MESSAGE_LOOKS,
    "delivery": style.DELIVERY_LOOKS,
    "request": style.REQUEST_LOOKS,
    "task": style.TASK_LOOKS,
    "attention": style.ATTENTION_LOOKS,
}
LONG_TEXT = 4000  # characters of one text that a list shows


def line(text: object) -> str:
    """Return any text as one sanitized line."""
    return sanitize(str(text))


def lines(text: str) -> str:
    """Return a sanitized text; tabs and line ends stay."""
    return "\n".join("\t".join(map(sanitize, each.split("\t"))) for each in re.split(r"\r\n|\r|\n", text))


def linked(text: str) -> Markup:
    """Return an escaped text in which http and https addresses are links."""
    parts, at = [], 0
    text = lines(text)
    for match in LINK.finditer(text):
        address = match[0].rstrip(".,;:!?)]*")
        parts += [escape(text[at : match.start()]), _link(address)]
        at = match.start() + len(address)
    return Markup("").join([*parts, escape(text[at:])])


FENCED = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```[ \t]*$\n?|\Z)", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")


def prose(text: str) -> Markup:
    """Return a text as paragraphs with links, in which what is between back quotes is shown as code."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts, at = [], 0
    for match in FENCED.finditer(text):
        parts += [
            _paragraph(text[at : match.start()]),
            Markup('<pre class="code"><code>{}</code></pre>').format(lines(match[1])),
        ]
        at = match.end()
    return Markup("").join([*parts, _paragraph(text[at:])])


def _paragraph(text: str) -> Markup:
    pieces = QUOTED.split(text.strip("\n"))
    inside = Markup("").join(
        Markup("<code>{}</code>").format(lines(piece)) if at % 2 else linked(piece) for at, piece in enumerate(pieces)
    )
    return Markup('<p class="text" dir="auto">{}</p>').format(inside) if text.strip() else inside[:0]


def _link(address: str) -> Markup:
    return Markup('<a href="{0}" rel="noopener noreferrer nofollow" target="_blank">{0}</a>').format(address)


def marked(text: str) -> Markup:
    """Return a line of a search result; the text between `**`, which matched the search, is highlighted."""
    parts = line(text).split("**")
    return Markup("").join(
        Markup("<mark>{}</mark>").format(part) if at % 2 and at < len(parts) - 1 else escape(part)
        for at, part in enumerate(parts)
    )


def pretty(value: Any) -> str:
    """Return a value as indented JSON."""
    return lines(json.dumps(value, ensure_ascii=False, indent=2, default=to_builtins))


def compact(value: Any) -> str:
    """Return a value as one line of JSON."""
    return line(json.dumps(value, ensure_ascii=False, default=to_builtins))


def event_fields(event: Event) -> Iterator[tuple[str, str]]:
    """Yield the names and values of an event's data as short texts; ids come last."""
    items = sorted(event.data.items(), key=lambda item: item[0].endswith(("_id", "_ids")))
    for name, value in items:
        if value is not None and value != [] and value != {}:
            yield name, line(value) if isinstance(value, str) else compact(value)


def address(path: str, **query: object) -> str:
    """Return a page's address with a query; empty values are left out."""
    parameters = {name: value for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(parameters)}" if parameters else path


def party(name: str) -> str:
    """Return the name to show for a message's address."""
    if name == EVERYBODY:
        return "everybody"
    return line(name.removeprefix(PERSON) if name.startswith(PERSON) else name)


def short_project(project: str) -> str:
    """Return the last part of a project's name as one sanitized line."""
    return line(style.short_project(project))


def host_of(location: str | None) -> str:
    return line((location or "").partition(":")[0])


def folder_of(location: str | None) -> str:
    return line((location or "").partition(":")[2])


class Renderer:
    """Renders a page's data as HTML: the whole page, or only its live part."""

    def __init__(self, files: StaticFiles) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            line=line,
            lines=lines,
            linked=linked,
            prose=prose,
            marked=marked,
            pretty=pretty,
            compact=compact,
            told=event_fields,
            party=party,
            short_project=short_project,
            host=host_of,
            folder=folder_of,
            duration=style.duration,
            way=way_to_terminal,
            size=style.size,
            epoch=lambda at: f"{at.timestamp():.3f}",
        )
        self._environment.tests["session_id"] = is_session
        self._environment.globals.update(
            static=files.url,
            address=address,
            look=lambda word, kind="session": style.style_of(word, LOOKS[kind]),
            age=style.age,
            LOOKS=style.STYLES,
            EMPTY=style.EMPTY,
            EVENT_WORDS=style.EVENT_WORDS,
            LOOSE=style.LOOSE,
            PRIORITY_COLOURS=style.PRIORITY_COLOURS,
            EVERYBODY=EVERYBODY,
            PERSON=PERSON,
            MESSAGE_TYPES=MESSAGE_TYPES,
            LONG_TEXT=LONG_TEXT,
            ANSWERS=style.QUICK_ANSWERS,
        )

    def page(self, name: str, data: Mapping[str, Any]) -> bytes:
        return self._template(name).render(data).encode()

    def live(self, name: str, data: Mapping[str, Any]) -> bytes:
        """Render only the parts that change while a page is open: the live part, the menu and the filter's options."""
        template = self._template(name)
        context = template.new_context({**data, "parts": self._environment.get_template("parts.html").module})
        live = "".join(template.blocks["live"](context))
        base = self._template("base")
        entries = "".join(base.blocks["menu"](context))
        menu = f'<nav id="menu" hx-swap-oob="innerMorph">{entries}</nav>'
        if "filter" not in template.blocks:
            return f"{live}{menu}".encode()
        choices = "".join(template.blocks["filter"](context))
        return f'{live}{menu}<div id="filter" hx-swap-oob="innerMorph">{choices}</div>'.encode()

    def _template(self, name: str) -> Template:
        return self._environment.get_template(f"{name}.html")
