"""The same services over HTTP: a bus that is a hub somewhere else.

Standard library only. Every operation may be sent twice (S1; sends carry a key), so a connection that dropped is
opened again and the request repeated once. The caller's surroundings travel in a header, so that a new session takes
over where its caller runs, not where the hub does.
"""

from __future__ import annotations

import http.client
import time
from _thread import RLock
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from roost.bus import Bus
from roost.errors import HubUnreachable, InvalidInput, RoostError, UnsupportedUrl, from_dict
from roost.model import Event
from roost.operation import decode_record, decode_result
from roost.schema import decode, encode
from roost.vocabulary import kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from roost.here import Surroundings
    from roost.operation import Operation
    from roost.services import Service

HERE_HEADER = "Roost-Here"
TIMEOUT_S = 30.0
SILENCE_S = 45.0  # of a stream, whose keep-alives come every 15
RETRY_S = 1.0


def write_here(here: Surroundings) -> str:
    """Surroundings as a header's value; what is unknown is left out."""
    told = {"project": here.project, "branch": here.branch, "location": here.location, "user": here.user}
    return urlencode({name: value for name, value in told.items() if value})


def read_here(header: str) -> SentHere:
    """Surroundings from a header's value; raises InvalidInput for what no session could have."""
    try:
        told = {name: values[-1] for name, values in parse_qs(header, errors="strict", max_num_fields=8).items()}
    except ValueError:
        raise InvalidInput(f"the header {HERE_HEADER} cannot be read") from None
    return SentHere(told)


class SentHere:
    """The surroundings that a remote caller told."""

    def __init__(self, told: dict[str, str]) -> None:
        self._told = told

    def _get(self, name: str, word: str) -> str | None:
        value = self._told.get(name)
        if value is not None:
            kind_of("sessions", word).check(f"{HERE_HEADER}: {name}", value)
        return value

    @property
    def project(self) -> str:
        from roost.here import NO_PROJECT

        return self._get("project", "project") or NO_PROJECT

    @property
    def branch(self) -> str | None:
        return self._get("branch", "branch")

    @property
    def location(self) -> str | None:
        return self._get("location", "location")

    @property
    def user(self) -> str | None:
        return self._get("user", "human_user")


class RemoteBus(Bus):
    """A bus that a hub serves; used from several threads, requests go one after the other."""

    def __init__(self, url: str, here: Surroundings) -> None:
        super().__init__(here)
        self.url = url.rstrip("/")
        split = urlsplit(self.url)
        if not split.hostname:
            raise UnsupportedUrl(f"{url} names no host")
        self._split = split
        self._mutex = RLock()
        self._connection: http.client.HTTPConnection | None = None

    def execute(self, operation: Operation, service: Service, arguments: dict[str, Any]) -> Any:
        path, body = self._request(operation, arguments)
        status, text = self._send(operation.method, path, body)
        value = self._decoded(status, text)
        if status >= 400:
            raise from_dict(value)
        return decode_result(operation, value)

    def _request(self, operation: Operation, arguments: dict[str, Any]) -> tuple[str, str | None]:
        said = {name: value for name, value in arguments.items() if value is not None}
        in_path = {name: said.pop(name) for name in operation.parameters if f"{{{name}}}" in operation.path}
        path = operation.path.format(**{name: quote(value, safe="") for name, value in in_path.items()})
        if operation.body:
            return path, encode(said[operation.body])
        if operation.method in ("GET", "DELETE"):
            query = urlencode(
                {name: value if isinstance(value, str) else encode(value) for name, value in said.items()}
            )
            return (f"{path}?{query}" if query else path), None
        return path, encode(said)

    def _send(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        headers = {HERE_HEADER: write_here(self.here)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        encoded = None if body is None else body.encode()
        with self._mutex:
            for is_last in (False, True):
                connection = self._connection or self._connect(TIMEOUT_S)
                self._connection = None
                try:
                    connection.request(method, self._split.path + path, encoded, headers)
                    response = connection.getresponse()
                    text = response.read()
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    if is_last:
                        raise self._unreachable(error) from None
                    continue
                self._connection = connection
                return response.status, text
        raise AssertionError("unreachable")

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._split.scheme == "https" else http.client.HTTPConnection
        return kind(self._split.hostname or "", self._split.port, timeout=timeout_s)

    def _decoded(self, status: int, text: bytes) -> Any:
        try:
            value = decode(text)
        except ValueError:
            value = None
        if value is None or (status >= 400 and "error" not in value):
            raise HubUnreachable(f"{self.url} answered with status {status} and no JSON of a hub's")
        return value

    def _unreachable(self, error: Exception) -> HubUnreachable:
        return HubUnreachable(f"no hub answers at {self.url}: {error}")

    # -- following ----------------------------------------------------------------------------------------------------

    def follow(
        self, after: int | None, *, project: str | None, kinds: list[str] | None, timeout_s: float | None
    ) -> Iterator[Event]:
        filters = {"project": project, "kinds": encode(kinds) if kinds else None}
        query = urlencode({name: value for name, value in filters.items() if value})
        after = self.events.last_seq() if after is None else after
        heard_at = time.monotonic()
        while True:
            left_s = SILENCE_S if timeout_s is None else heard_at + timeout_s - time.monotonic()
            if left_s <= 0:
                return
            try:
                for event in self._stream(query, after, min(left_s, SILENCE_S)):
                    if event is not None:
                        after, heard_at = event.seq, time.monotonic()
                        yield event
                    elif timeout_s is not None and time.monotonic() - heard_at >= timeout_s:
                        return
            except (OSError, http.client.HTTPException):
                if timeout_s is None or time.monotonic() - heard_at < timeout_s:
                    time.sleep(min(RETRY_S, timeout_s or RETRY_S))

    def _stream(self, query: str, after: int, silence_s: float) -> Iterator[Event | None]:
        """The events of one connection; None for each keep-alive, so that the caller can look at the time."""
        connection = self._connect(silence_s)
        try:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
            connection.request("GET", f"{self._split.path}/events?{query}", headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                raise self._refusal(response)
            for line in response:
                if line.startswith(b"data: "):
                    yield decode_record(Event, decode(line[6:]))
                elif line.startswith(b":"):
                    yield None
        except TimeoutError:
            return
        finally:
            connection.close()

    def _refusal(self, response: http.client.HTTPResponse) -> RoostError:
        return from_dict(self._decoded(response.status, response.read()))

    def close(self) -> None:
        super().close()
        if self._connection is not None:
            self._connection.close()
