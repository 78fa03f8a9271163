"""Operations for pages: run on the hub's workers like every request's, with the rights of the page's viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.hub.auth.caller import HUB, Caller

if TYPE_CHECKING:
    from hallway.core.operation import Operation
    from hallway.hub.workers.reader import Reader
    from hallway.hub.workers.writer import Writer


class OperationRunner:
    """Runs operations as the page's viewer: `await ask(OPERATION, name=value)`."""

    def __init__(self, reader: Reader, writer: Writer, caller: Caller = HUB) -> None:
        self._reader = reader
        self._writer = writer
        self.caller = caller

    async def __call__(self, operation: Operation, **named: Any) -> Any:
        """Run an operation and return its result; raises its errors, and InvalidInput for invalid arguments."""
        worker = self._writer if operation.is_write else self._reader
        return await worker.run(operation, operation.arguments((), named), self.caller)

    def on_behalf_of(self, caller: Caller) -> OperationRunner:
        """Return an operation runner for another viewer."""
        return OperationRunner(self._reader, self._writer, caller)
