"""Reasons why an installed hallway does not work in a client: a setting that switches it off, or another bus.

A client reports none of these. Each client lists its settings in `ClientInstaller.switches`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hallway.agents.install.client import Diagnostic
from hallway.agents.install.configs import BOM, HOOKS, NAME, SERVER
from hallway.agents.install.hook_commands import gate_folder
from hallway.agents.install.jsonc import Document, NotJson, WrongKind
from hallway.agents.install.plan import current
from hallway.core.errors import FileUnusable
from hallway.core.redaction import redact_url
from hallway.local.atomic_file import read_file
from hallway.local.hook_gate import FOLDER
from hallway.local.paths import address_source, bus_address, data_folder, normalise_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.agents.install.client import ClientInstaller
    from hallway.agents.install.configs import Config

OWN_FILE = "this machine's own file"


def find_causes(client: ClientInstaller, root: str) -> Iterator[Diagnostic]:
    """Yield what keeps an installed hallway from working in a client, of the user or of a repository."""
    name = NAME
    for config in (*client.configs(None), *client.configs(root)):
        text = current(config)
        if text is None:
            continue
        if SERVER in config.holds and (server := config.server(text)) is not None:
            name, entry = server
            yield from _other_bus_of_server(client, config, entry)
        if HOOKS in config.holds:
            yield from _other_bus_of_hooks(client, config, text)
    for switch in client.switches(root, name):
        if switch.is_off(_settings(switch.path)):
            following = f"edit {switch.path}, then restart {client.title}"
            yield Diagnostic(switch.what, f"{switch.path} {switch.detail}", following)


def _other_bus_of_server(client: ClientInstaller, config: Config, entry: dict[str, Any]) -> Iterator[Diagnostic]:
    """Yield a diagnostic if the environment in the server's entry selects another bus than commands here use."""
    environment = entry.get("env") or entry.get("environment")
    if not isinstance(environment, dict):
        return
    own = bus_address()
    url, home = environment.get("HALLWAY_URL"), environment.get("HALLWAY_HOME")
    if isinstance(url, str) and url and normalise_address(url) != own:
        own_bus = redact_url(own) if own else OWN_FILE
        detail = f"the entry in {config.path} sets HALLWAY_URL={redact_url(url)}, but commands here use {own_bus}"
        yield Diagnostic(SERVER, detail, f"hallway use {redact_url(url)}, or edit {config.path}")
    if isinstance(home, str) and home and os.path.abspath(os.path.expanduser(home)) != data_folder():
        detail = f"the entry in {config.path} sets HALLWAY_HOME={home}, but commands here use {data_folder()}"
        yield Diagnostic(SERVER, detail, f"export HALLWAY_HOME={home}, or edit {config.path}")


def _other_bus_of_hooks(client: ClientInstaller, config: Config, text: str) -> Iterator[Diagnostic]:
    """Yield a diagnostic if the installed hooks look for news of another bus than commands here use."""
    if not _names_gate_folder(text) or gate_folder() in text:
        return
    own = bus_address()
    own_bus = redact_url(own) if own else OWN_FILE
    detail = f"the hooks were installed for another bus; commands here use {own_bus} ({address_source()})"
    yield Diagnostic(HOOKS, detail, f"hallway install {client.name}")


def _names_gate_folder(text: str) -> bool:
    """Return whether a configuration names a folder of gate files, as hallway's hooks do."""
    return any(f"/{FOLDER}{end}" in text for end in ("/", '"'))


def _settings(path: str) -> Any:
    """Return a settings file as a value; None if it is missing or not valid, which other checks report."""
    try:
        text = read_file(path).decode("utf-8").removeprefix(BOM)
        if path.endswith(".toml"):
            import tomllib

            return tomllib.loads(text)
        return Document(text).get(()) if text.strip() else None
    except (FileUnusable, ValueError, NotJson, WrongKind):
        return None
