"""A setting of a client that switches hallway's server or hooks off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.agents.install.configs import HOOKS, SERVER

if TYPE_CHECKING:
    from collections.abc import Callable


class Switch:
    """A setting: its file, the keys that lead to it, whether a value switches hallway off, and what that means."""

    __slots__ = ("_is_off", "_keys", "detail", "path", "what")

    def __init__(self, path: str, keys: tuple[str, ...], is_off: Callable[[Any], bool], effect: str) -> None:
        self.path = path
        self._keys = keys
        self._is_off = is_off
        self.what = HOOKS if effect == NO_HOOKS else SERVER
        self.detail = f"has {'.'.join(keys)}, which {effect}"

    def is_off(self, settings: Any) -> bool:
        """Return whether the settings switch hallway off."""
        for key in self._keys:
            if not isinstance(settings, dict) or key not in settings:
                return False
            settings = settings[key]
        return self._is_off(settings)


NO_SERVER = "switches the server hallway off"
NO_HOOKS = "switches the hooks off"


def is_true(value: Any) -> bool:
    return value is True


def is_false(value: Any) -> bool:
    return value is False


def lists(name: str) -> Callable[[Any], bool]:
    """Return a test whether a list has a server's name, or an object with this `serverName`."""
    return lambda value: isinstance(value, list) and any(each in (name, {"serverName": name}) for each in value)


def omits(name: str) -> Callable[[Any], bool]:
    """Return a test whether a list has other names, but not this one."""
    return lambda value: isinstance(value, list) and bool(value) and name not in value


def lists_beginning(prefix: str) -> Callable[[Any], bool]:
    """Return a test whether a list has a text that begins with a prefix."""
    return lambda value: isinstance(value, list) and any(str(each).startswith(prefix) for each in value)


def excluded_servers(paths: list[str], name: str) -> list[Switch]:
    """Return the switches that Gemini CLI and Qwen Code share: the servers that are excluded, or not allowed."""
    return [
        switch
        for path in paths
        for switch in (
            Switch(path, ("mcp", "excluded"), lists(name), NO_SERVER),
            Switch(path, ("mcp", "allowed"), omits(name), f"does not name {name}, so its server is not started"),
        )
    ]
