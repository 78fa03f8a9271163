"""Edits JSON in place: every byte that an edit is not about stays, comments and trailing commas and odd spacing too.

Clients' configuration files are written by people, with comments where the client allows them. Parsing and writing
such a file anew would lose them, so this finds where a value stands in the text and changes only that. It refuses
what it cannot read, and never guesses.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Path = tuple[str, ...]

TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\ufeff]+|//[^\r\n]*|/\*.*?\*/)"""
    r"""|(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")"""
    r"""|(?P<mark>[{}\[\],:])"""
    r"""|(?P<word>-?\d[0-9.eE+-]*|true|false|null)""",
    re.DOTALL,
)
CLOSING = {"{": "}", "[": "]"}
DEEPEST = 200


class NotJson(ValueError):
    """The text is not JSON, even with comments; `line` says where that shows."""

    def __init__(self, text: str, at: int, what: str) -> None:
        self.line = text.count("\n", 0, at) + 1
        super().__init__(f"line {self.line}: {what}")


class WrongKind(ValueError):
    """A value is there, but not of the kind that an edit needs."""


class Node:
    """A value and where it stands; `members` of an object by name, `items` of a list, with the key's place."""

    __slots__ = ("begin", "end", "items", "key_at", "members")

    def __init__(self, begin: int, key_at: int | None = None) -> None:
        self.begin = self.end = begin
        self.key_at = begin if key_at is None else key_at
        self.members: dict[str, Node] | None = None
        self.items: list[Node] | None = None

    @property
    def children(self) -> list[Node]:
        return list(self.members.values()) if self.members is not None else self.items or []


class Document:
    """A JSON text under edit; an empty one is an empty object."""

    def __init__(self, text: str) -> None:
        self.text = text if text.strip("\ufeff \t\r\n") else "{}\n"
        self._parse()
        if self.root.members is None:
            raise WrongKind("the file holds no object")

    # -- reading

    def get(self, path: Path) -> Any:
        """Return the value at a path; None where there is none."""
        node = self._find(path)
        return None if node is None else self.value(node)

    def items(self, path: Path) -> list[Any]:
        """Return the items of the list at a path; none where there is no list."""
        node = self._find(path)
        if node is None:
            return []
        return [self.value(item) for item in self._items(node, path)]

    def value(self, node: Node) -> Any:
        if node.members is not None:
            return {name: self.value(member) for name, member in node.members.items()}
        if node.items is not None:
            return [self.value(item) for item in node.items]
        return json.loads(self.text[node.begin : node.end])

    # -- writing

    def set(self, path: Path, value: Any) -> None:
        """Put a value at a path, with the objects above it where they are missing."""
        node = self._find(path)
        if node is None:
            self._add(path, value)
        elif self.value(node) != value:
            self._replace(node, value)

    def put_item(self, path: Path, value: Any, at: int | None) -> None:
        """Put an item into the list at a path: in place of the one `at` says, else at its end."""
        node = self._find(path)
        if node is None:
            self._add(path, [value])
        elif at is None:
            self._insert(node, self._items(node, path), self._written(value, node, 1))
        elif self.value(self._items(node, path)[at]) != value:
            self._replace(self._items(node, path)[at], value)

    def remove(self, path: Path) -> None:
        """Take a member away."""
        parent, node = self._find(path[:-1]), self._find(path)
        if parent is not None and node is not None:
            self._cut(parent, node)

    def remove_items(self, path: Path, places: Iterable[int]) -> None:
        """Take items out of a list."""
        for at in sorted(places, reverse=True):
            node = self._there(path)
            self._cut(node, self._items(node, path)[at])

    # -- finding

    def _find(self, path: Path) -> Node | None:
        node = self.root
        for depth, name in enumerate(path):
            if node.members is None:
                raise WrongKind(f"{'.'.join(path[:depth])} is no object")
            if name not in node.members:
                return None
            node = node.members[name]
        return node

    def _there(self, path: Path) -> Node:
        """Return the node at a path that must exist."""
        node = self._find(path)
        if node is None:
            raise WrongKind(f"{'.'.join(path)} is missing")
        return node

    def _items(self, node: Node, path: Path) -> list[Node]:
        if node.items is None:
            raise WrongKind(f"{'.'.join(path)} is no list")
        return node.items

    # -- changing the text

    def _add(self, path: Path, value: Any) -> None:
        """Insert a member below the deepest object of its path that is there."""
        depth = next(depth for depth in range(len(path) - 1, -1, -1) if self._find(path[:depth]) is not None)
        for name in reversed(path[depth + 1 :]):
            value = {name: value}
        node = self._there(path[:depth])
        if node.members is None:
            raise WrongKind(f"{'.'.join(path[:depth])} is no object")
        written = f"{json.dumps(path[depth], ensure_ascii=False)}: {self._written(value, node, 1)}"
        self._insert(node, node.children, written)

    def _insert(self, parent: Node, children: Sequence[Node], written: str) -> None:
        """Put a member or an item at the end of what holds it, laid out as its neighbours are."""
        if not children:
            inside = self.text[parent.begin + 1 : parent.end - 1]
            if inside.strip(" \t\r\n"):  # nothing but a comment
                self._splice(parent.end - 1, parent.end - 1, f"{self.unit}{written}{self._line(parent)}")
            else:
                self._splice(parent.begin + 1, parent.end - 1, f"{self._line(parent, 1)}{written}{self._line(parent)}")
            return
        last = children[-1]
        is_spread = "\n" in self.text[parent.begin : last.key_at]
        gap = self._line(parent, 1) if is_spread else " "
        comma = self._comma_after(last.end)
        if comma is None:
            self._splice(last.end, last.end, f",{gap}{written}")
        else:
            self._splice(comma, comma, f"{gap}{written},")

    def _replace(self, node: Node, value: Any) -> None:
        self._splice(node.begin, node.end, self._written(value, node, 0))

    def _cut(self, parent: Node, node: Node) -> None:
        """Take out a child, its comma and the space that set it apart."""
        siblings = parent.children
        at = siblings.index(node)
        if len(siblings) == 1:
            self._splice(*self._around_only(parent, node))
        elif at == 0:
            self._splice(node.key_at, siblings[1].key_at, "")
        elif comma := self._comma_after(node.end):  # of the one before it stays, and comments after that, too
            self._splice(self._space_before(node.key_at, comma), comma, "")
        else:
            self._cut_last(siblings[at - 1].end, node)

    def _cut_last(self, before: int, node: Node) -> None:
        """Take out the last child together with the comma of the one before, which ends at `before`."""
        comma = self._comma_after(before) or before
        kept = self.text[comma : self._space_before(node.key_at, node.end)]
        self._splice(before, node.end, self.text[before : comma - 1] + kept)

    def _around_only(self, parent: Node, node: Node) -> tuple[int, int, str]:
        end = self._comma_after(node.end) or node.end
        before, after = self.text[parent.begin + 1 : node.key_at], self.text[end : parent.end - 1]
        if (before + after).strip():  # comments stay
            return self._space_before(node.key_at, end), end, ""
        return parent.begin + 1, parent.end - 1, ""

    def _space_before(self, at: int, end: int) -> int:
        """Return where to cut before a position: include white space, but keep a line end that a comment needs."""
        begin = len(self.text[:at].rstrip(" \t\r\n"))
        line_end = self.text.find("\n", begin, at)
        if line_end < 0 or self.text[end:].lstrip(" \t\r").startswith("\n"):
            return begin
        return line_end + 1 if self._is_in_comment(begin) else begin

    def _is_in_comment(self, at: int) -> bool:
        """Return whether a position ends a comment that runs to the end of its line."""
        place = self.text.rfind("\n", 0, at) + 1
        if "//" not in self.text[place:at]:
            return False
        place = 0
        while place < at and (token := TOKEN.match(self.text, place)):
            begin, place = place, token.end()
        return self.text.startswith("//", begin)

    def _comma_after(self, at: int) -> int | None:
        """Return where the comma after a value ends, past comments; None where there is none."""
        while (token := TOKEN.match(self.text, at)) and token["space"]:
            at = token.end()
        return at + 1 if self.text[at : at + 1] == "," else None

    def _splice(self, begin: int, end: int, text: str) -> None:
        self.text = self.text[:begin] + text + self.text[end:]
        self._parse()

    # -- layout

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    @property
    def unit(self) -> str:
        """Return one step of indentation as the file uses it."""
        indent = re.search(r"^[ \t]+(?=\")", self.text, re.MULTILINE)
        return indent[0] if indent else "  "

    def _line(self, node: Node, deeper: int = 0) -> str:
        """Return a line break with the indentation of the line on which a node's container begins."""
        begin = self.text.rfind("\n", 0, node.begin) + 1
        indent = re.compile(r"[ \t]*").match(self.text, begin)
        return self.newline + (indent[0] if indent else "") + self.unit * deeper

    def _written(self, value: Any, node: Node, deeper: int) -> str:
        tab = self.unit
        text = json.dumps(value, indent=tab, ensure_ascii=False)
        return text.replace("\n", self._line(node, deeper))

    # -- parsing

    def _parse(self) -> None:
        self._at = 0
        self.root = self._value(0)
        if self._next()[0]:
            raise NotJson(self.text, self._at, "there is more after the end of the object")

    def _next(self) -> tuple[str, int]:
        """Return the next token and its position; an empty token at the end."""
        while self._at < len(self.text):
            token = TOKEN.match(self.text, self._at)
            if token is None:
                raise NotJson(self.text, self._at, f"{self.text[self._at : self._at + 20]!r} is not JSON")
            begin, self._at = self._at, token.end()
            if not token["space"]:
                return token[0], begin
        return "", self._at

    def _value(self, depth: int, key_at: int | None = None) -> Node:
        word, begin = self._next()
        return self._value_of(word, begin, depth, key_at)

    def _value_of(self, word: str, begin: int, depth: int, key_at: int | None = None) -> Node:
        node = Node(begin, key_at)
        if depth > DEEPEST:
            raise NotJson(self.text, begin, "it is nested too deeply")
        if word == "{":
            node.members = self._members(depth)
        elif word == "[":
            node.items = self._list(depth)
        else:
            self._scalar(word, begin)
        node.end = self._at
        return node

    def _scalar(self, word: str, begin: int) -> None:
        try:
            json.loads(word)
        except ValueError:
            what = f"{word!r} stands where a value should" if word else "the file ends too early"
            raise NotJson(self.text, begin, what) from None

    def _members(self, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        while True:
            word, begin = self._next()
            if word == "}":
                return members
            if not word.startswith('"'):
                raise NotJson(self.text, begin, "a name in quotes or } is missing")
            name = self._name(word, begin)
            if name in members:
                raise NotJson(self.text, begin, f"{word} is there twice")
            self._expect(":")
            members[name] = self._value(depth + 1, begin)
            if self._ends("}"):
                return members

    def _list(self, depth: int) -> list[Node]:
        items: list[Node] = []
        while True:
            word, begin = self._next()
            if word == "]":
                return items
            items.append(self._value_of(word, begin, depth + 1))
            if self._ends("]"):
                return items

    def _name(self, word: str, begin: int) -> str:
        self._scalar(word, begin)
        return str(json.loads(word))

    def _expect(self, mark: str) -> None:
        word, begin = self._next()
        if word != mark:
            raise NotJson(self.text, begin, f"{mark} is missing")

    def _ends(self, mark: str) -> bool:
        word, begin = self._next()
        if word not in (mark, ","):
            raise NotJson(self.text, begin, f", or {mark} is missing")
        return word == mark
