"""Rendering of results for people; with `--json` the result is printed as JSON, exactly as HTTP returns it.

Each noun has a module in this package with a renderer for each result type. An operation that needs another form has a
renderer under its name. A noun's module is loaded when it is first used, because the heartbeat's fast path imports this
package.
"""

from __future__ import annotations

from hallway.core.schema import encode
from hallway.text.sanitize import clean_json, sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.errors import HallwayError
    from hallway.core.operation import Operation


def show(
    screen: Terminal, operation: Operation, result: Any, arguments: dict[str, Any], *, is_json: bool, variant: str = ""
) -> None:
    """Write an operation's result; a `variant` of the command (such as `--ack`) selects another renderer."""
    if is_json:
        screen.write(clean_json(encode(result)))
        return
    screen.write(*_renderer(operation, variant)(screen, result, arguments))


def _renderer(operation: Operation, variant: str) -> Renderer:
    kind, is_list = operation.returns
    found: dict[str, Renderer] = __import__(f"{__name__}.{operation.noun}", fromlist=["RENDERERS"]).RENDERERS
    name = f"{operation.function.__name__} {variant}".rstrip()
    return found.get(name) or found[f"list[{kind.__name__}]" if is_list else kind.__name__]


def show_error(screen: Terminal, error: HallwayError, *, is_json: bool) -> None:
    """Write an error: its message, and its hint with the next command."""
    if is_json:
        screen.write(clean_json(encode(error.to_dict())))
        return
    hint = [f"{screen.paint('hint:', 'cyan')} {sanitize(error.hint)}"] if error.hint else []
    screen.write(f"{screen.paint('hallway:', 'red')} {sanitize(error.message)}", *hint)
