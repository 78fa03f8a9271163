"""A hub for the benchmarks: the real one, and `POST /empty`, which reads a JSON body and answers `{}`.

The baseline goes through the same server, guard and router, and does nothing. Prints its port on the first line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.hub.app import Hub
from hallway.hub.auth.limits import Limits
from hallway.hub.http import parse_object, read_body, respond
from hallway.hub.serve import listen, run, set_up_logging

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class Empty:
    """What any operation costs before it is one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parse_object(await read_body(scope, receive))
        await respond(send, b"{}")


class BenchHub(Hub):
    """The hub, with the baseline beside its own paths."""

    def _add_paths(self) -> None:
        self._paths.add("POST", "/empty", Empty())
        super()._add_paths()


if __name__ == "__main__":
    set_up_logging("text")
    listening = listen("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    run(BenchHub(None, limits=Limits(10**9, 10**9, 10**15)), listening)
