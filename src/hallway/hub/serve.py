"""`hallway serve`: opening the socket, running the server, and shutting down gracefully."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from hallway.core.errors import AddressInUse, HallwayError, InvalidInput
from hallway.core.redaction import redact
from hallway.hub.app import Hub
from hallway.hub.auth.own_token import provide_token
from hallway.hub.auth.peers import can_tell
from hallway.hub.http_protocol import IDLE_WITHIN_S, KEEP_ALIVE, BoundedProtocol, DrainState
from hallway.hub.options import NOBODY, OWN_USER, NetworkOptions, is_loopback
from hallway.hub.stream import READ

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from hallway.bus.local import LocalBus
    from hallway.hub.app import MountPage

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7433
STREAM_GRACE_S = 1.0
TELL_EVERY_S = 0.1
LOOP_TURNS = 3  # turns of the loop in which asyncio sets up an accepted connection

log = logging.getLogger("hallway.hub")


def serve(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    url: str | None = None,
    log_format: str = "text",
    keep: dict[str, Any] | None = None,
    wire: NetworkOptions | None = None,
    mount_page: MountPage | None = None,
    rules_path: str | None = None,
) -> None:
    """Serve a bus until SIGTERM or Ctrl-C; in-flight requests are answered, waits too, streams closed.

    Behind a proxy it serves for half of its stop time while /ready answers 503, so that the proxy sends requests
    elsewhere and none is lost.

    `keep` holds the parameters of `Retention.prune` for automatic pruning, and `rules_path` is the file by whose rules
    the hub's user is sent notifications. Raises AddressInUse if the port is in use,
    InvalidInput for an address that other machines could reach in clear text or without a token, and the store's
    errors if the bus cannot be opened.
    """
    set_up_logging(log_format)
    wire = wire or NetworkOptions()
    owner_is = wire.owner_is(host)
    if owner_is == OWN_USER and not can_tell():
        log.warning("this system does not tell whose a connection is: every request needs a token")
        owner_is = NOBODY
    if wire.lacks_name:
        log.warning(
            "behind a proxy, and without --name: requests with the proxy's host name get 403. Start it with the name"
            " that callers use: hallway serve --behind-proxy --name HOST"
        )
    hub = Hub(
        url,
        wire.names(host),
        keep,
        owner_is=owner_is,
        is_secure=wire.is_secure,
        limits=wire.limits,
        mount_page=mount_page,
        rules_path=rules_path,
    )
    with hub.open() as bus:  # before listening, so that a problem with the bus is one clear error
        listening = _listen_with_tokens(bus, host, port, wire) if owner_is == NOBODY else listen(host, port)
    run(hub, listening, wire)


def _listen_with_tokens(bus: LocalBus, host: str, port: int, wire: NetworkOptions) -> socket.socket:
    """Return the listening socket of a hub that requires tokens; on loopback, create a token for the hub's user."""
    is_own, has_tokens = is_loopback(host) and not wire.is_behind_proxy, bool(bus.tokens.valid())
    if not is_own and not has_tokens:
        raise InvalidInput(
            "this hub would demand a token of everybody, and there is none",
            hint="Make yourself one first: hallway token create NAME --role admin",
        )
    listening = listen(host, port)
    manages_tokens = wire.wants_tokens and has_tokens
    by_name = f"{'https' if wire.tls_cert else 'http'}://localhost:{listening.getsockname()[1]}"
    if is_own and not manages_tokens and provide_token(bus, [address_of(listening, wire), by_name]):
        log.info("this user's commands have a token for this hub; to see its page: hallway open")
    return listening


def address_of(listening: socket.socket, wire: NetworkOptions) -> str:
    """Return the URL at which callers reach a hub."""
    host, port = listening.getsockname()[:2]
    return f"{'https' if wire.tls_cert else 'http'}://{_as_host_header(host)}:{port}"


def run(hub: Hub, listening: socket.socket, wire: NetworkOptions | None = None) -> None:
    """Serve a hub on a listening socket until it is asked to stop."""
    wire = wire or NetworkOptions()
    address = address_of(listening, wire)
    config = uvicorn.Config(
        hub.app,
        lifespan="on",
        access_log=False,
        log_config=None,
        http=BoundedProtocol,
        ws="none",
        timeout_graceful_shutdown=max(1, int(wire.stop_within_s - wire.drain_s - STREAM_GRACE_S)),
        server_header=False,
        backlog=2048,
        proxy_headers=wire.is_behind_proxy,
        forwarded_allow_ips=wire.trusted,
        timeout_keep_alive=IDLE_WITHIN_S,
        headers=[KEEP_ALIVE, *hub.answer_headers],
        ssl_certfile=wire.tls_cert,
        ssl_keyfile=wire.tls_key,
    )
    settle_memory()
    allow_many_files()
    Server(config, hub, address, wire.drain_s).run(sockets=[listening])
    log.info("stopped", extra={"address": address, "pid": os.getpid()})


def settle_memory() -> None:
    """Exclude imported modules from garbage collection and collect less often: requests create few cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def allow_many_files() -> None:
    """Raise the limit of open files to the most that the system allows."""
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises AddressInUse when another program has the port."""
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise AddressInUse(f"cannot listen at {host}:{port}: {error.strerror}") from None
    return listening


def _as_host_header(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


class Server(uvicorn.Server):
    """A uvicorn server that drains before it stops, so that no request already sent is lost.

    First every answer closes its connection, and /ready answers 503. Then waits are answered and streams ended, waiting
    connections are accepted, and the listening socket is closed. A second signal skips the first part.
    """

    def __init__(self, config: uvicorn.Config, hub: Hub, address: str, drain_s: float = 0.0) -> None:
        super().__init__(config)
        self.server_state: DrainState = DrainState()
        self._hub = hub
        self._address = address
        self._drain_s = drain_s
        self._is_hurried = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Print the hub's address when it can answer requests and react to signals."""
        self.server_state.default_headers = self.config.encoded_headers  # later with the time, too
        await super().startup(sockets)
        log.info("serving", extra={"address": self._address, "pid": os.getpid()})

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and Ctrl-C with exit status 0, because a requested stop is not a failure."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._is_hurried = self.should_exit
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain()
        self._hub.close_streams()
        cut = asyncio.get_running_loop().call_later(STREAM_GRACE_S, self._cut_streams)
        await self._accept_last(sockets or [])
        await super().shutdown(sockets)
        cut.cancel()

    async def _drain(self) -> None:
        """Serve for the drain time, with one more answer for each connection."""
        self._hub.is_stopping = self.server_state.is_draining = True
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedProtocol):
                connection.drain()
        until = time.monotonic() + self._drain_s
        if self._drain_s:
            log.info("stopping: /ready says 503, requests are still answered", extra={"address": self._address})
        while time.monotonic() < until and not self._is_hurried:
            await asyncio.sleep(TELL_EVERY_S)

    async def _accept_last(self, sockets: list[socket.socket]) -> None:
        """Stop listening, and accept the waiting connections: closing the socket alone would reset them.

        asyncio's own loop accepts in one turn and sets up the connection in a later turn, which fails once the socket
        is closed. So the loop stops accepting, and this function accepts the rest. uvloop does both in one turn.
        """
        self.server_state.is_ending = True
        loop = asyncio.get_running_loop()
        if isinstance(loop, asyncio.SelectorEventLoop):
            for each in sockets:
                loop.remove_reader(each)
        for _ in range(LOOP_TURNS):
            await asyncio.sleep(0)
        last = [accepted for each in sockets for accepted in _accepted(each)]
        for server in self.servers:
            server.close()
        opened = [asyncio.ensure_future(self._open(accepted)) for accepted in last]
        if opened:
            await asyncio.wait(opened, timeout=STREAM_GRACE_S)

    async def _open(self, accepted: socket.socket) -> None:
        def protocol() -> BoundedProtocol:
            return BoundedProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

        try:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, accepted, ssl=self.config.ssl)
        except OSError:  # the client disconnected, or does not speak TLS
            accepted.close()

    async def _wait_tasks_to_complete(self) -> None:
        """Wait for the requests under way. When the time is up, cut off those that are left.

        uvicorn would answer them with 500, which no client repeats. A connection that breaks says what is true: nobody
        knows whether the request was carried out. A proxy makes 502 of it, and our client repeats the request.
        """
        try:
            await super()._wait_tasks_to_complete()
        except asyncio.CancelledError:
            for connection in list(self.server_state.connections):
                if connection.transport:
                    connection.transport.abort()
            raise

    def _cut_streams(self) -> None:
        """Cut off readers that do not read the rest of their stream; they resume it at another hub."""
        for connection in list(self.server_state.connections):
            scope = getattr(connection, "scope", None) or {}
            if scope.get("path") == READ.path and connection.transport:
                connection.transport.abort()


def _accepted(listening: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait to be accepted at a socket that does not block."""
    while True:
        try:
            accepted, _ = listening.accept()
        except OSError:  # BlockingIOError: there are no more
            return
        accepted.setblocking(False)
        yield accepted


class LogFormatter(logging.Formatter):
    """One line a record, as `time level logger message key=value …` or as a JSON object."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._is_json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        fields = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        extra = {key: value for key, value in vars(record).items() if key in ("address", "pid", "operation")}
        if record.exc_info:
            extra["traceback"] = self.formatException(record.exc_info)
        fields, extra = (
            {key: redact(value) if isinstance(value, str) else value for key, value in each.items()}
            for each in (fields, extra)
        )
        if self._is_json:
            return json.dumps({**fields, **extra})
        return " ".join([*map(str, fields.values()), *(f"{key}={value}" for key, value in extra.items())])


def set_up_logging(style: str) -> None:
    """Write structured log lines to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter(style))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # uvicorn's warnings are about unreadable requests; a client must not be able to fill the log with them.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "HallwayError", "serve"]
