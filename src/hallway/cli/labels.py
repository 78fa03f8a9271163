"""Command-line names of parameters: an argument, a flag, or a file flag. Keep it light: the fast path imports it."""

from __future__ import annotations

from hallway.core.schema import JsonOrText, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.core.operation import Operation, Parameter

STANDARD_INPUT = "-"  # typed in place of a text; cli/text_input.py then reads standard input


def flag(parameter: Parameter) -> str:
    """Return the flag of an optional parameter."""
    return parameter.kind.flag or "--" + parameter.name.replace("_", "-")


def file_flag(parameter: Parameter) -> str | None:
    """Return the flag that reads a long text from a file; None for a parameter that is no long text."""
    kind = parameter.kind
    is_long = isinstance(kind, JsonOrText) or (isinstance(kind, Text) and kind.has_many_lines)
    return f"--{parameter.name}-file" if is_long else None


def label(operation: Operation, name: str) -> str:
    """Return the name of a parameter as the help shows it: its flag, or its metavar if it is positional."""
    parameter = operation.parameters[name]
    return parameter.kind.metavar or name.upper() if name in operation.words else flag(parameter)


def switched(parameter: Parameter) -> bool:
    """Return the value that a Boolean parameter gets from its flag: the opposite of its default."""
    return not parameter.default
