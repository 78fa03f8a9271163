"""Adding a sink and its rule to the rules file: comments and layout stay, and no malformed file is written."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any

from hallway.core.errors import FileUnusable, InvalidInput
from hallway.local.atomic_file import identity, read_file, replace_file
from hallway.local.paths import make_private_folder
from hallway.notifications.rules import check_rules, read_rules

if TYPE_CHECKING:
    from hallway.notifications.rules import SinkOptions

HEAD = (
    "# Of what hallway tells you, when, and in which ways: hallway notify --help\n"
    "# Nobody else may read this file: it holds secrets, and it may start programs.\n"
)


def add_sink(
    path: str, name: str, sink: dict[str, Any], rule: dict[str, Any], hub_url: str | None = None
) -> SinkOptions:
    """Add a sink and a rule that has its items sent there; return the sink as the file has it then.

    A `hub_url` is written to the file, too.
    Raises FileUnusable for a file that cannot be used, InvalidInput for a name that it has already.
    """
    import tomlkit

    path = os.path.realpath(path)
    before = identity(path)
    if before is not None and name in read_rules(path).sinks:
        raise InvalidInput(f"{path} has a sink {name!r} already", hint="Give this one another name: --name NAME")
    text = read_file(path).decode() or HEAD
    document = tomlkit.parse(text)
    if hub_url:
        document["hub_url"] = hub_url
    document.setdefault("sinks", tomlkit.table(is_super_table=True))[name] = _table(sink)
    document.setdefault("rules", tomlkit.aot()).append(_table({"sinks": [name], **rule}))
    changed = tomlkit.dumps(document)
    rules = check_rules(path, tomllib.loads(changed))
    try:
        make_private_folder(os.path.dirname(path))
    except OSError as error:
        raise FileUnusable(f"{os.path.dirname(path)} cannot be made: {error.strerror}") from None
    if not replace_file(path, changed.encode(), before, new_mode=0o600):
        raise FileUnusable(f"another program has changed {path} meanwhile", hint="Run the command again")
    return rules.sinks[name]


def _table(values: dict[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.table()
    for name, value in values.items():
        table.add(name, value)
    return table
