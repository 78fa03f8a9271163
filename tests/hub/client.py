"""A plain HTTP client that holds every answer against what the hub's own OpenAPI document declares for it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from jsonschema_rs import Draft202012Validator

from hallway.bus.remote import HERE_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

TIMEOUT_S = 30
SHOP = "github.com/acme/shop"
IDLE_S = 3.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error that it must be: its status and its code, message and hint."""
        assert self.status >= 400, self.body
        assert self.json["error"].keys() >= {"code", "message", "hint"}
        found: dict[str, Any] = self.json["error"]
        return found


class Client:
    """One keep-alive connection to a hub, of a caller in a project: by default, one without a token is in SHOP."""

    def __init__(
        self, port: int, host: str = "127.0.0.1", token: str | None = None, *, project: str | None = None
    ) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        self._credentials = {"Authorization": f"Bearer {token}"} if token else {}
        if project := SHOP if token is project is None else project:
            self._credentials[HERE_HEADER] = urlencode({"project": project})
        self._declared: Declared | None = None
        self._used_at = time.monotonic()

    @property
    def declared(self) -> Declared:
        if self._declared is None:
            self._declared = Declared(self._exchange("GET", "/openapi.json").json)
        return self._declared

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and check its answer; a body that is neither bytes nor parts of them is sent as JSON."""
        declared = self.declared
        raw = body if body is None or isinstance(body, bytes | list) else json.dumps(body).encode()
        answer = self._exchange(method, path, raw, headers)
        if method != "HEAD":
            declared.check(method, path, answer)
        return answer

    def _exchange(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        said = {**self._credentials, **(headers or {})}
        if time.monotonic() - self._used_at > IDLE_S:
            self._connection.close()  # the hub lets go of one that is idle for longer
        self._connection.request(method, path, body, said, encode_chunked=isinstance(body, list))
        response = self._connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        self._used_at = time.monotonic()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, headers=headers)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.call("POST", path, body)

    def register(self, *ids: str, **said: Any) -> None:
        """Register sessions that must be accepted."""
        for session_id in ids:
            told = {"session_id": session_id, "agent_name": f"{session_id}'s agent", "agent_type": "codex", **said}
            answer = self.post("/sessions", told)
            assert answer.status == 200, answer.body

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Declared:
    """The answers that an OpenAPI document promises, record fields that it does not name excluded."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        schemas = json.loads(json.dumps(document["components"]["schemas"]))
        for name, schema in schemas.items():
            if name != "Error":
                schema["additionalProperties"] = False
        self._components = {"components": {"schemas": schemas}}
        self._any_error = self._validator({"$ref": "#/components/schemas/Error"})
        # Fixed paths first, as the hub matches them.
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path).replace("/memory/[^/]+", "/memory/.+")), operations)
            for path, operations in sorted(document["paths"].items(), key=lambda item: ("{" in item[0], -len(item[0])))
        ]

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator({**schema, **self._components}, validate_formats=True)

    def check(self, method: str, target: str, answer: Answer) -> None:
        """Fail where the answer is not what the document says, or where the hub broke."""
        assert answer.status != 500, answer.body
        content_type = (answer.headers["content-type"] or "").partition(";")[0]
        if method == "OPTIONS":
            assert not answer.body
            return
        path = target.partition("?")[0]
        responses = self._responses(method, path)
        declared = responses.get(str(answer.status)) or responses.get("default")
        if declared is None:
            assert self._any_error.is_valid(answer.json) or path == "/openapi.json", answer.body[:500]
            return
        assert content_type in declared["content"], f"{content_type} is not declared for {method} {target}"
        if content_type == "application/json":
            wrong = [
                f"{'/'.join(map(str, error.instance_path))}: {error.message}"[:500]
                for error in self._validator(declared["content"][content_type]["schema"]).iter_errors(answer.json)
            ]
            assert not wrong, f"{method} {target}: {wrong}"

    def _responses(self, method: str, path: str) -> dict[str, Any]:
        for pattern, operations in self._paths:
            if pattern.fullmatch(path):
                found: dict[str, Any] = operations.get(method.lower(), {}).get("responses", {})
                return found
        return {}


def raw_exchange(port: int, request: bytes, host: str = "127.0.0.1") -> Answer:
    """Send bytes as they are on a connection of their own, and read one answer."""
    with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Answer(response.status, response.headers, response.read())


class Frame(NamedTuple):
    """One server-sent event."""

    id: int
    event: str
    data: Any


class Stream:
    """An open `GET /events`; iterating it blocks until the next event and skips keep-alive comments."""

    def __init__(self, port: int, query: str = "", last_event_id: object = None, token: str | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        headers = {"Accept": "text/event-stream", **({"Authorization": f"Bearer {token}"} if token else {})}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        self._connection.request("GET", f"/events{query}", headers=headers)
        self.response = self._connection.getresponse()
        self.comments = 0

    def __iter__(self) -> Iterator[Frame]:
        """The events; ends when the hub closes the stream. Anything that is no well-formed frame fails."""
        fields: dict[str, str] = {}
        for raw in self.response:
            line = raw.decode()
            assert line.endswith("\n")
            assert "\r" not in line
            line = line[:-1]
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, colon, value = line.partition(": ")
                assert colon
                assert name not in fields, f"a frame has two {name} lines"
                fields[name] = value
            elif fields:
                assert list(fields) == ["id", "event", "data"]
                yield Frame(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                fields = {}
        assert not fields, "the stream ended in the middle of a frame"

    def take(self, count: int) -> list[Frame]:
        """The next so many events."""
        frames = iter(self)
        return [next(frames) for _ in range(count)]

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
