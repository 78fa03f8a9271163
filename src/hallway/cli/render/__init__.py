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


def renderer_of(operation: Operation, *, is_json: bool = False, variant: str = "") -> Renderer:
    """Return how an operation's result is shown; a `variant` of the command (such as `--ack`) selects another renderer.

    Raises LookupError if there is none, so ask before the operation runs.
    """
    if is_json:
        return _as_json
    kind, is_list = operation.returns
    name = f"{operation.function.__name__} {variant}".rstrip()
    returned = f"list[{kind.__name__}]" if is_list else kind.__name__
    module = f"{__name__}.{operation.noun}"
    try:
        renderers: dict[str, Renderer] = getattr(__import__(module, fromlist=["RENDERERS"]), "RENDERERS", {})
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        renderers = {}
    renderer = renderers.get(name) or renderers.get(returned)
    if renderer is None:
        raise LookupError(
            f"src/hallway/cli/render/{operation.noun}.py does not say how the result of {operation.name} looks: add"
            f" {returned!r} or {name!r} to RENDERERS there"
        )
    return renderer


def _as_json(screen: Terminal, result: Any, arguments: dict[str, Any]) -> list[str]:
    return [clean_json(encode(result))]


def show_error(screen: Terminal, error: HallwayError, *, is_json: bool) -> None:
    """Write an error: its message, and its hint with the next command."""
    if is_json:
        screen.write(clean_json(encode(error.to_dict())))
        return
    hint = [f"{screen.paint('hint:', 'cyan')} {sanitize(error.hint)}"] if error.hint else []
    screen.write(f"{screen.paint('hallway:', 'red')} {sanitize(error.message)}", *hint)
