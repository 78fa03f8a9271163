"""How pages ask the bus: operations, run on the hub's workers like everybody else's, for who is looking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.hub.visitor import ITSELF, Visitor

if TYPE_CHECKING:
    from hallway.hub.worker import Reader, Writer
    from hallway.operation import Operation


class Ask:
    """Runs operations for the page's reader: `await ask(OPERATION, name=value)`."""

    def __init__(self, reader: Reader, writer: Writer, visitor: Visitor = ITSELF) -> None:
        self._reader = reader
        self._writer = writer
        self.visitor = visitor

    async def __call__(self, operation: Operation, **named: Any) -> Any:
        """What the operation answers; raises its errors, and InvalidInput for what it cannot take."""
        worker = self._writer if operation.is_write else self._reader
        return await worker.run(operation, operation.arguments((), named), self.visitor)

    def on_behalf_of(self, visitor: Visitor) -> Ask:
        """The same for another reader."""
        return Ask(self._reader, self._writer, visitor)
