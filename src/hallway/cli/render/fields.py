"""Rendering of chosen fields: `--json=FIELD,…` and `--format TEMPLATE`, for every command that is an operation."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, Any

from hallway.core.errors import InvalidInput
from hallway.core.near_names import near_matches
from hallway.core.schema import encode
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.operation import Operation

ESCAPES = {r"\t": "\t", r"\n": "\n"}


class FieldTemplate(Template):
    """A text with `$field` or `${field}`, and `$$` for a dollar sign; nothing in it is evaluated."""

    idpattern = r"(?a:[a-z][a-z0-9_]*)"


def fields_as_json(operation: Operation, fields: str) -> Renderer:
    """Return a renderer that prints only these fields, in this order; raises InvalidInput for an unknown one."""
    chosen = [each.strip() for each in fields.split(",") if each.strip()]
    _check(operation, chosen or [""], "--json")

    def render(screen: Terminal, result: Any, arguments: dict[str, Any]) -> list[str]:
        rows = [{name: row[name] for name in chosen} for row in _rows(operation, result)]
        return [clean_json(encode(rows if operation.returns[1] else rows[0]))]

    return render


def fields_as_text(operation: Operation, text: str) -> Renderer:
    """Return a renderer that fills a template for each record; raises InvalidInput for an unknown field."""
    for typed, meant in ESCAPES.items():
        text = text.replace(typed, meant)
    template = FieldTemplate(text)
    if not template.is_valid():
        raise InvalidInput(
            f"--format {text!r} has a $ that no field follows", hint="Write $$ for a dollar sign, $name for a field"
        )
    _check(operation, template.get_identifiers(), "--format")

    def render(screen: Terminal, result: Any, arguments: dict[str, Any]) -> list[str]:
        return [
            template.substitute({name: _text(value) for name, value in row.items()}) for row in _rows(operation, result)
        ]

    return render


def _rows(operation: Operation, result: Any) -> list[dict[str, Any]]:
    return [each.to_dict() for each in (result if operation.returns[1] else [result])]


def _text(value: Any) -> str:
    """Return a field's value for a template: nothing for null, a text on one line, else JSON."""
    if value is None:
        return ""
    text = encode(value)
    return sanitize(value if isinstance(value, str) else text.strip('"'))


def _check(operation: Operation, chosen: Iterable[str], option: str) -> None:
    """Raise InvalidInput unless all fields are those of the operation's result."""
    known = getattr(operation.returns[0], "_fields", ())
    command = f"hallway {operation.verb}"
    if not known:
        raise InvalidInput(f"the result of {command} has no fields for {option}", hint=f"Use {command} --json")
    for name in chosen:
        if not name:
            raise InvalidInput(f"{option} names no field", hint=f"The fields: {', '.join(known)}")
        if name not in known:
            near = near_matches(name, list(known))
            meant = f"Did you mean {' or '.join(near)}? " if near else ""
            raise InvalidInput(
                f"{option} names {name!r}, which the result of {command} does not have",
                hint=f"{meant}The fields: {', '.join(known)}",
            )
