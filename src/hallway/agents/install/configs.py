"""Configuration files of the clients, and the edits that put hallway into one and take it out again.

An edit changes what is hallway's and nothing else. Whether something is installed is asked by the edit itself: it is
when putting it in again would change nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hallway.agents.install.jsonc import Document, NotJson, WrongKind
from hallway.agents.install.old_name import OLD_NAME, is_old_file, is_old_server
from hallway.errors import ConfigBroken

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER, HOOKS = "server", "hooks"
NAME = "hallway"  # what the MCP server is called in every client


class Config:
    """One file of a client's, and what of hallway is in it: the server, the hooks, or both."""

    def __init__(self, path: str, *, is_private: bool = False) -> None:
        self.path = os.path.realpath(path)  # a file that is a link into somebody's dotfiles stays one
        self.is_private = is_private

    @property
    def holds(self) -> list[str]:
        """Which of server and hooks belong into this file."""
        raise NotImplementedError

    @property
    def undo(self) -> dict[str, Any]:
        """What a program that knows nothing of hallway needs to take it out of this file."""
        return {"format": "own"}

    def put(self, before: str) -> str | None:
        """The file's text with hallway in it; None where there is to be no such file."""
        raise NotImplementedError

    def take(self, before: str) -> str | None:
        """The file's text without hallway; None where nothing is left of it."""
        raise NotImplementedError

    def has(self, what: str, text: str) -> bool:
        """Whether the server or the hooks are in the file as they would be installed now."""
        raise NotImplementedError

    def broken(self, reason: object) -> ConfigBroken:
        return ConfigBroken(f"{self.path} cannot be edited: {reason}. Nothing was changed")


class Edit:
    """A change to a JSON document."""

    what = SERVER

    def put(self, document: Document) -> None:
        raise NotImplementedError

    def take(self, document: Document) -> None:
        raise NotImplementedError


class Member(Edit):
    """One named member, hallway's own, such as the entry of its server."""

    def __init__(self, path: tuple[str, ...], value: Any) -> None:
        self.path = path
        self.value = value

    def put(self, document: Document) -> None:
        self._remove_old(document)
        document.set(self.path, self.value)

    def take(self, document: Document) -> None:
        self._remove_old(document)
        if document.get(self.path) is None:
            return
        document.remove(self.path)
        _remove_empty(document, self.path[:-1])

    def _remove_old(self, document: Document) -> None:
        old = (*self.path[:-1], OLD_NAME)
        if is_old_server(document.get(old)):
            document.remove(old)
            _remove_empty(document, self.path[:-1])


class Default(Edit):
    """A member that a file of this kind needs, whoever else is in it; taken away only with the last of the others."""

    what = HOOKS

    def __init__(self, path: tuple[str, ...], value: Any) -> None:
        self.path = path
        self.value = value

    def put(self, document: Document) -> None:
        if document.get(self.path) is None:
            document.set(self.path, self.value)

    def take(self, document: Document) -> None:
        if document.get(()) == {self.path[0]: self.value}:
            document.remove(self.path)


class Hooks(Edit):
    """hallway's entries in the lists of hooks, by event, among those of others."""

    what = HOOKS

    def __init__(self, wanted: dict[str, list[Any]], is_ours: Callable[[Any], bool]) -> None:
        self.wanted = wanted
        self.is_ours = is_ours

    def put(self, document: Document) -> None:
        for event in (document.get(("hooks",)) or {}).keys() - self.wanted.keys():
            self._take(document, event)  # of an older hallway
        for event, entries in self.wanted.items():
            self._put(document, event, entries)

    def _put(self, document: Document, event: str, entries: list[Any]) -> None:
        """In place of what was hallway's there, else behind everybody's: some clients know a hook by its number."""
        places = self._ours(document, event)
        for number, entry in enumerate(entries):
            document.put_item(("hooks", event), entry, places[number] if number < len(places) else None)
        document.remove_items(("hooks", event), places[len(entries) :])

    def take(self, document: Document) -> None:
        for event in document.get(("hooks",)) or {}:
            self._take(document, event)

    def _take(self, document: Document, event: str) -> None:
        if places := self._ours(document, event):
            document.remove_items(("hooks", event), places)
            _remove_empty(document, ("hooks", event))

    def _ours(self, document: Document, event: str) -> list[int]:
        return [at for at, entry in enumerate(document.items(("hooks", event))) if self.is_ours(entry)]


def _remove_empty(document: Document, path: tuple[str, ...]) -> None:
    """Remove what an edit has left empty, from the inside out."""
    while path and not document.get(path):
        document.remove(path)
        path = path[:-1]


class JsonConfig(Config):
    """A file of JSON, with comments or without."""

    def __init__(self, path: str, *edits: Edit, is_private: bool = False) -> None:
        super().__init__(path, is_private=is_private)
        self.edits = edits

    @property
    def holds(self) -> list[str]:
        return sorted({edit.what for edit in self.edits})

    @property
    def undo(self) -> dict[str, Any]:
        server = next((edit.path for edit in self.edits if isinstance(edit, Member)), None)
        return {"format": "json", "server": server}

    def put(self, before: str) -> str:
        return self._edited(before, [edit.put for edit in self.edits])

    def take(self, before: str) -> str | None:
        return self._edited(before, [edit.take for edit in self.edits]) if before.strip() else before

    def has(self, what: str, text: str) -> bool:
        return text == self._edited(text, [edit.put for edit in self.edits if edit.what == what])

    def _edited(self, before: str, edits: list[Callable[[Document], None]]) -> str:
        try:
            document = Document(before)
            for edit in edits:
                edit(document)
        except (NotJson, WrongKind) as error:
            raise self.broken(error) from None
        return document.text


class TomlConfig(Config):
    """A TOML file with a table of hallway's own in it, `[SECTION.hallway]`."""

    holds = [SERVER]

    def __init__(self, path: str, section: str, table: dict[str, Any]) -> None:
        super().__init__(path)
        self.section = section
        self.table = table

    @property
    def undo(self) -> dict[str, Any]:
        return {"format": "toml", "section": self.section}

    def put(self, before: str) -> str:
        wanted = {**self._others(before), NAME: self.table}
        return before if self._tables(before) == wanted else self._edited(before, wanted)

    def take(self, before: str) -> str | None:
        wanted = self._others(before)
        return before if self._tables(before) == wanted else self._edited(before, wanted)

    def has(self, what: str, text: str) -> bool:
        tables = self._tables(text)
        return bool(tables.get(NAME) == self.table) and not is_old_server(tables.get(OLD_NAME))

    def _others(self, text: str) -> dict[str, Any]:
        """The section's tables that are not hallway's, under this name or the old one."""
        tables = self._tables(text).items()
        return {
            name: table for name, table in tables if name != NAME and not (name == OLD_NAME and is_old_server(table))
        }

    def _tables(self, text: str) -> dict[str, Any]:
        found = self._parsed(text).get(self.section, {})
        if not isinstance(found, dict):
            raise self.broken(f"{self.section} is no table")
        return found

    def _parsed(self, text: str) -> dict[str, Any]:
        import tomllib

        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self.broken(error) from None

    def _edited(self, before: str, wanted: dict[str, Any]) -> str:
        """The text with the section's tables as wanted, and a proof that nothing else has changed its meaning."""
        import tomlkit

        document = tomlkit.parse(before)
        for name in self._tables(before).keys() - wanted.keys():
            del document[self.section][name]
        if NAME in wanted:
            if self.section not in document:
                document.add(self.section, tomlkit.table(is_super_table=True))
            document[self.section][NAME] = _toml_table(self.table)
        elif not wanted:
            del document[self.section]
        after = tomlkit.dumps(document)
        expected = {**self._parsed(before), self.section: wanted}
        if self._parsed(after) != {name: value for name, value in expected.items() if value or name != self.section}:
            raise self.broken("its tables are laid out in a way that no edit was found for")
        return after


def _toml_table(values: dict[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.table()
    for name, value in values.items():
        table.add(name, value)
    return table


class OwnFile(Config):
    """A file that is hallway's alone, in a folder where a client looks for such."""

    def __init__(self, path: str, what: str, content: str) -> None:
        super().__init__(path)
        self.what = what
        self.content = content

    @property
    def holds(self) -> list[str]:
        return [self.what]

    def put(self, before: str) -> str:
        return self.content

    def take(self, before: str) -> str | None:
        return None

    def has(self, what: str, text: str) -> bool:
        return text == self.content


class OldFile(Config):
    """A file of its own that an install under the old name left behind: removed when it is that, else left alone."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(path)
        self.what = what

    @property
    def holds(self) -> list[str]:
        return [self.what]

    def put(self, before: str) -> str | None:
        return self.take(before)

    def take(self, before: str) -> str | None:
        return None if not before or is_old_file(before) else before

    def has(self, what: str, text: str) -> bool:
        return not is_old_file(text)
