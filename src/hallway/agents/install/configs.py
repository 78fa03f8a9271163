"""Configuration files of the clients, and the edits that put hallway into one and take it out again.

An edit changes what is hallway's and nothing else. Whether something is installed is asked by the edit itself: it is
when putting it in again would change nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hallway.agents.install.jsonc import Document, NotJson, WrongKind
from hallway.agents.install.old_name import OLD_NAME, is_old_file, is_old_server
from hallway.core.errors import ConfigBroken

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER, HOOKS = "server", "hooks"
NAME = "hallway"  # what the MCP server is called in every client
BOM = "\ufeff"
PRIVATE_MODE = 0o600
OTHER_NAME = "hallway-bus"  # where somebody has a server of their own that is called so


class Config:
    """A configuration file of a client that holds hallway's server, its hooks, or both.

    `new_mode` is the mode of the file if it is made; None: that of the umask.
    """

    new_mode: int | None = None

    def __init__(self, path: str, *, is_private: bool = False) -> None:
        self.path = os.path.realpath(path)  # a file that is a link into somebody's dotfiles stays one
        self.new_mode = PRIVATE_MODE if is_private else self.new_mode

    @property
    def holds(self) -> list[str]:
        """Return which of the server and the hooks belong into this file."""
        raise NotImplementedError

    @property
    def undo(self) -> dict[str, Any]:
        """Return what a program that knows nothing of hallway needs to take it out of this file."""
        return {"format": "own"}

    def put(self, before: str) -> str | None:
        """Return the file's text with hallway added; None if the file is to be removed."""
        raise NotImplementedError

    def take(self, before: str) -> str | None:
        """Return the file's text with hallway removed; None if nothing is left of it."""
        raise NotImplementedError

    def has(self, what: str, text: str) -> bool:
        """Return whether the server or the hooks are in the file exactly as this version would install them."""
        raise NotImplementedError

    def server(self, text: str) -> tuple[str, dict[str, Any]] | None:
        """Return the name and the entry of hallway's server in the file; None if there is none."""
        return None

    @property
    def by_hand(self) -> str:
        """Return the text for a person to paste into a file that cannot be edited."""
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


def is_own_server(entry: Any) -> bool:
    """Return whether an MCP server's entry starts hallway, of this installation or another."""
    if not isinstance(entry, dict):
        return False
    command, arguments = entry.get("command"), entry.get("args", [])
    words = command if isinstance(command, list) else [command, *(arguments if isinstance(arguments, list) else [])]
    names = [str(word).replace("\\", "/").rpartition("/")[2] for word in words]
    return any(names[at : at + 2] == [NAME, "mcp"] for at in range(len(names)))


def own_entry(servers: Any) -> tuple[str, dict[str, Any]] | None:
    """Return the name and the entry of hallway's server among a client's servers; None if it is not there."""
    name = own_name(servers)
    entry = servers.get(name) if isinstance(servers, dict) else None
    return (name, entry) if isinstance(entry, dict) and is_own_server(entry) else None


def own_name(servers: Any) -> str:
    """Return under which name hallway's server stands among a client's servers, or is to stand there."""
    servers = servers if isinstance(servers, dict) else {}
    is_taken = NAME in servers and not is_own_server(servers[NAME])
    return OTHER_NAME if is_taken or is_own_server(servers.get(OTHER_NAME)) else NAME


class OwnKey(Edit):
    """The entry of hallway's server.

    The fields in `value` are hallway's; those in `defaults` are written where they are missing, and every other field
    is the person's or the client's and stays. A server of the person's own that has hallway's name stays, too: then
    hallway's takes another name.
    """

    def __init__(self, path: tuple[str, ...], value: dict[str, Any], defaults: dict[str, Any] | None = None) -> None:
        self.path = path
        self.value = value
        self.defaults = defaults or {}

    def put(self, document: Document) -> None:
        self._remove_old(document)
        path = self._own_path(document)
        held = document.get(path)
        if not isinstance(held, dict):
            document.set(path, {**self.value, **self.defaults})
            return
        for name, value in self.value.items():
            document.set((*path, name), value)
        for name in self.defaults.keys() - held.keys():
            document.set((*path, name), self.defaults[name])

    def take(self, document: Document) -> None:
        self._remove_old(document)
        path = self._own_path(document)
        if is_own_server(document.get(path)):
            document.remove(path)
            _remove_empty(document, path[:-1])

    def _own_path(self, document: Document) -> tuple[str, ...]:
        return (*self.path[:-1], own_name(document.get(self.path[:-1])))

    def _remove_old(self, document: Document) -> None:
        old = (*self.path[:-1], OLD_NAME)
        if is_old_server(document.get(old)):
            document.remove(old)
            _remove_empty(document, self.path[:-1])


class RequiredKey(Edit):
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


class HookEntries(Edit):
    """hallway's entries in the lists of hooks, by event, among those of others."""

    what = HOOKS

    def __init__(self, wanted: dict[str, list[Any]], is_ours: Callable[[Any], bool]) -> None:
        self.wanted = wanted
        self.is_ours = is_ours

    def put(self, document: Document) -> None:
        for event in self._events(document).keys() - self.wanted.keys():
            self._take(document, event)  # of an older hallway
        for event, entries in self.wanted.items():
            self._put(document, event, entries)

    def _put(self, document: Document, event: str, entries: list[Any]) -> None:
        """Replace hallway's entries in place, else append them: some clients refer to a hook by its number."""
        places = self._ours(document, event)
        for number, entry in enumerate(entries):
            document.put_item(("hooks", event), entry, places[number] if number < len(places) else None)
        document.remove_items(("hooks", event), places[len(entries) :])

    def take(self, document: Document) -> None:
        for event in self._events(document):
            self._take(document, event)

    def _events(self, document: Document) -> dict[str, Any]:
        hooks = document.get(("hooks",))
        if not isinstance(hooks, dict | None):
            raise WrongKind("hooks is no object")
        return hooks or {}

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
        server = next((edit.path for edit in self.edits if isinstance(edit, OwnKey)), None)
        return {"format": "json", "server": server}

    def server(self, text: str) -> tuple[str, dict[str, Any]] | None:
        path = next((edit.path for edit in self.edits if isinstance(edit, OwnKey)), None)
        try:
            return own_entry(Document(text).get(path[:-1])) if path and text.strip() else None
        except (NotJson, WrongKind) as error:
            raise self.broken(error) from None

    @property
    def by_hand(self) -> str:
        return self.put("")

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

    def server(self, text: str) -> tuple[str, dict[str, Any]] | None:
        return own_entry(self._tables(text))

    @property
    def by_hand(self) -> str:
        return self.put("")

    def put(self, before: str) -> str:
        tables = self._tables(before)
        name = own_name(tables)
        held = tables.get(name)
        merged = {**held, **self.table} if isinstance(held, dict) else dict(self.table)
        for key, value in self.table.items():
            if isinstance(value, list) and isinstance(held, dict) and isinstance(held.get(key), list) and key != "args":
                merged[key] = [*held[key], *(each for each in value if each not in held[key])]
        wanted = {**self._others(before), name: merged}
        return before if _same(tables, wanted) else self._edited(before, wanted)

    def take(self, before: str) -> str | None:
        wanted = self._others(before)
        return before if _same(self._tables(before), wanted) else self._edited(before, wanted)

    def has(self, what: str, text: str) -> bool:
        return self.put(text) == text

    def _others(self, text: str) -> dict[str, Any]:
        """Return the section's tables that are not hallway's, under this name or the old one."""
        tables = self._tables(text).items()
        return {
            name: table
            for name, table in tables
            if not (name in (NAME, OTHER_NAME) and is_own_server(table))
            and not (name == OLD_NAME and is_old_server(table))
        }

    def _tables(self, text: str) -> dict[str, Any]:
        tables = self._parsed(text).get(self.section, {})
        if not isinstance(tables, dict):
            raise self.broken(f"{self.section} is no table")
        return tables

    def _parsed(self, text: str) -> dict[str, Any]:
        import tomllib

        try:
            return tomllib.loads(text.removeprefix(BOM))
        except tomllib.TOMLDecodeError as error:
            raise self.broken(error) from None

    def _edited(self, before: str, wanted: dict[str, Any]) -> str:
        """Return the text with the section's tables as wanted; raise if the edit would change the meaning of anything
        else.
        """
        mark = BOM if before.startswith(BOM) else ""
        expected = {**self._parsed(before), self.section: wanted}
        if not wanted:
            del expected[self.section]
        for edit in (self._set_tables, self._append_table):
            after = edit(before.removeprefix(BOM), wanted)
            if after is not None and _same(self._parsed_or_none(after), expected):
                return mark + _with_line_ends_of(before, after)
        raise self.broken("its tables are laid out in a way that no edit was found for")

    def _parsed_or_none(self, text: str) -> dict[str, Any] | None:
        try:
            return self._parsed(text)
        except ConfigBroken:
            return None

    def _set_tables(self, before: str, wanted: dict[str, Any]) -> str | None:
        """Change the section's tables in place; None where they are laid out in a way that cannot be edited so."""
        import tomlkit
        from tomlkit.exceptions import TOMLKitError
        from tomlkit.items import InlineTable

        try:
            document = tomlkit.parse(before)
            held = self._tables(before)
            for name in held.keys() - wanted.keys():
                del document[self.section][name]
            if not wanted:
                del document[self.section]
            elif self.section not in document:
                document.add(self.section, tomlkit.table(is_super_table=True))
            for name, table in wanted.items():
                if name in held:
                    for key, value in table.items():
                        if not _same(held[name].get(key) if isinstance(held[name], dict) else None, value):
                            document[self.section][name][key] = value
                else:
                    is_inline = isinstance(document[self.section], InlineTable)
                    document[self.section][name] = _toml_table(table, is_inline=is_inline)
            return tomlkit.dumps(document)
        except (TOMLKitError, KeyError, TypeError, AttributeError, ValueError, IndexError):
            return None

    def _append_table(self, before: str, wanted: dict[str, Any]) -> str | None:
        """Write hallway's table behind everything else; None where there is more to change than that."""
        import tomlkit

        new = [name for name in wanted if name not in self._tables(before)]
        if len(new) != 1:
            return None
        document = tomlkit.document()
        document.add(self.section, tomlkit.table(is_super_table=True))
        document[self.section][new[0]] = _toml_table(wanted[new[0]])
        end = "" if not before or before.endswith("\n") else "\n"
        return f"{before}{end}\n{tomlkit.dumps(document)}"


def _same(one: Any, other: Any) -> bool:
    """Return whether two parsed values mean the same; not-a-number is the same as itself here."""
    return repr(one) == repr(other) if one != other else True


def _with_line_ends_of(before: str, after: str) -> str:
    """Return a text with Windows line ends where the one it came from has only those."""
    if "\r\n" not in before or "\n" in before.replace("\r\n", ""):
        return after
    return after.replace("\r\n", "\n").replace("\n", "\r\n")


def _toml_table(values: dict[str, Any], *, is_inline: bool = False) -> Any:
    import tomlkit

    table: Any = tomlkit.inline_table() if is_inline else tomlkit.table()
    for name, value in values.items():
        table.add(name, value)
    return table


class OwnFile(Config):
    """A file that is hallway's alone, in a folder where a client looks for such."""

    def __init__(self, path: str, content: str, *holds: str) -> None:
        super().__init__(path)
        self.content = content
        self._holds = list(holds)

    @property
    def holds(self) -> list[str]:
        return self._holds

    @property
    def by_hand(self) -> str:
        return self.content

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

    @property
    def by_hand(self) -> str:
        return ""

    def put(self, before: str) -> str | None:
        return self.take(before)

    def take(self, before: str) -> str | None:
        return None if not before or is_old_file(before) else before

    def has(self, what: str, text: str) -> bool:
        return not is_old_file(text)
