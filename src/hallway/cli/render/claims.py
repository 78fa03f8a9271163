"""Rendering of claims: a table, a tree of paths, or one line after a change."""

from __future__ import annotations

from hallway.cli.render.parts import next_page
from hallway.cli.terminal import Column, table
from hallway.core.short_ids import short_ids
from hallway.services.claims import RESOURCE
from hallway.text.sanitize import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Claim

    Folder = dict[str, "Folder"]  # a folder of a tree of paths, by the names in it

HOLDER, FOR, STATE = Column("HOLDER", least=8, is_precious=True), Column("FOR", drop=2, least=10), Column("STATE")
ENDS_IN, CLAIM = Column("ENDS IN", drop=1), Column("CLAIM")
PATHS = Column("PATHS", least=16)
COLUMNS = (HOLDER, PATHS, FOR, STATE, ENDS_IN, CLAIM)
IN_TREE = (Column("PATH", least=16, is_precious=True), HOLDER, FOR, STATE, ENDS_IN, CLAIM)
FILTERS = ("project", "session_id", "state", "after_id")
INDENT = "  "


def claims(screen: Terminal, page: list[Claim], arguments: dict[str, Any]) -> list[str]:
    """Return a line for each claim, in the order in which they were asked for."""
    ids = short_ids(each.claim_id for each in page)
    rows = [(screen.name_of(each.session_id), ", ".join(each.paths), *_facts(screen, each, ids)) for each in page]
    return _listed(screen, COLUMNS, rows, page, arguments)


def claims_in_tree(screen: Terminal, page: list[Claim], arguments: dict[str, Any]) -> list[str]:
    """Return the claimed paths as a tree, each with its claims; a project has a tree of its own."""
    ids = short_ids(each.claim_id for each in page)
    several = len({each.project for each in page}) > 1
    claims_of: dict[str, list[Claim]] = {}
    for each in page:
        for path in each.paths:
            claims_of.setdefault(f"{each.project}:\0{path}" if several else path, []).append(each)
    rows: list[tuple[str, ...]] = []
    for path, text in _in_tree(claims_of):
        held = claims_of.get(path, [])
        rows += [(text, "", "", "", "", "")] if not held else []
        for at, each in enumerate(held):
            rows.append(("" if at else text, screen.name_of(each.session_id), *_facts(screen, each, ids)))
    return _listed(screen, IN_TREE, rows, page, arguments)


def _in_tree(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines of a tree of paths: each path, or folder of several, with its indented text."""
    top: Folder = {}
    for path in paths:
        folder = top
        for name in _names(path):
            folder = folder.setdefault(name, {})
    yield from _below(top, "", "", set(paths))


def _names(path: str) -> list[str]:
    """Return a path's names, each but the last with its slash; a resource, and a project before a path, are one."""
    project, end, rest = path.rpartition("\0")
    names = [rest] if rest.startswith(RESOURCE) else [f"{name}/" for name in rest.split("/")]
    names[-1] = names[-1].removesuffix("/")
    return [project + end, *names] if end else names


def _below(folder: Folder, path: str, indent: str, claimed: set[str]) -> Iterator[tuple[str, str]]:
    for name, inner in sorted(folder.items()):
        whole = path + name
        while len(inner) == 1 and whole not in claimed:  # a folder with nothing else in it has no line of its own
            (deeper, below) = next(iter(inner.items()))
            if name.endswith("\0"):
                break
            name, whole, inner = name + deeper, whole + deeper, below
        yield whole, indent + name.rstrip("\0")
        yield from _below(inner, whole, indent + INDENT, claimed)


def _facts(screen: Terminal, each: Claim, ids: dict[str, str]) -> tuple[str, ...]:
    return each.intent, claim_state(each), time_left(screen, each), ids[each.claim_id]


def _listed(
    screen: Terminal,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    page: list[Claim],
    arguments: dict[str, Any],
) -> list[str]:
    if not page:
        return ["No claim fits." if any(arguments.get(name) for name in FILTERS) else "Nothing is claimed."]
    lines = [line.rstrip() for line in table(screen, columns, rows)]
    return [*lines, *next_page(page, arguments, "after-id", page[-1].claim_id)]


def claim_line(screen: Terminal, each: Claim, arguments: dict[str, Any]) -> list[str]:
    """Return a claim as one line."""
    paths = sanitize(", ".join(each.paths))
    if each.state == "waiting":
        return [f"{screen.paint('waiting', 'yellow')} for {paths}, {time_left(screen, each)} at most  {each.claim_id}"]
    left = time_left(screen, each)
    return [f"{screen.paint('granted', 'green')} {paths} for {left}, number {each.fence}  {each.claim_id}"]


def claim_state(each: Claim) -> str:
    return f"{each.mode} {each.state}" if each.mode == "shared" else each.state


def time_left(screen: Terminal, each: Claim) -> str:
    left_s = each.expires_at.timestamp() - screen.now_s
    return f"{-(-left_s // 60):.0f} min" if left_s >= 120 else f"{max(left_s, 0):.0f} s"


RENDERERS: dict[str, Renderer] = {
    "Claim": claim_line,
    "list[Claim]": claims,
    "list_claims --tree": claims_in_tree,
}
