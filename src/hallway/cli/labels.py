"""What a person types for a parameter: a word, a flag, or the flag of a file. Light: the fast path imports it."""

from __future__ import annotations

from hallway.core.schema import JsonOrText, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.core.operation import Operation, Parameter

STANDARD_INPUT = "-"  # for any text; cli/text_input.py reads it


def flag(parameter: Parameter) -> str:
    """Return how the command line calls an optional parameter."""
    return parameter.kind.flag or "--" + parameter.name.replace("_", "-")


def file_flag(parameter: Parameter) -> str | None:
    """Return the flag by which a long text comes from a file; None for what is typed in a word."""
    kind = parameter.kind
    is_long = isinstance(kind, JsonOrText) or (isinstance(kind, Text) and kind.has_many_lines)
    return f"--{parameter.name}-file" if is_long else None


def label(operation: Operation, name: str) -> str:
    """Return what a person types for a parameter: its flag, or its word as help shows it."""
    parameter = operation.parameters[name]
    return parameter.kind.metavar or name.upper() if name in operation.words else flag(parameter)


def switched(parameter: Parameter) -> bool:
    """Return the value that a Boolean parameter's flag gives it: the opposite of its default."""
    return not parameter.default
