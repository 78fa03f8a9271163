"""The faces of a bus, each as a way to call an operation by name and to see what came of it as JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

import hallway
from hallway.bus.http_hints import HINTS as HTTP_HINTS
from hallway.bus.remote import HERE_HEADER, write_here
from hallway.cli.labels import flag, label
from hallway.cli.run import HINTS
from hallway.core.errors import HallwayError, InvalidInput, SecretFound, from_dict
from hallway.core.model import PERSON
from hallway.core.schema import Boolean, encode
from hallway.local.workspace import LocalWorkspace
from hallway.mcp.tools import WHOLE_HINTS as MCP_HINTS
from hallway.mcp.tools import actor
from hallway.services import service_classes
from hub.client import Client

if TYPE_CHECKING:
    from pathlib import Path

    from hallway.core.operation import Operation

OPERATIONS = {operation.name: operation for service in service_classes() for operation in service.operations.values()}


COMMAND = re.compile(r"\bhallway [a-z]")  # what only who has a command line can type


class Outcome(NamedTuple):
    """A result, or the error in its place."""

    result: Any = None
    error: dict[str, Any] | None = None


def failed(
    error: dict[str, Any],
    own_hint: str,
    hints: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    title: str | None = None,
) -> Outcome:
    """What every face says of an error, once the words that are a face's own are known to be there and are taken out.

    `own_hint` is where a face sends who passed something wrong; `hints` are its hints by code, `labels` what it calls
    parameters, `title` what it calls the operation.
    """
    message = error["message"]
    for name, shown in (labels or {}).items():
        message = re.sub(rf"^{re.escape(shown)}(?= |\[)", name, message)
    if title:
        message = message.removeprefix(f"{title} ")
    assert error["hint"] not in (InvalidInput.hint, SecretFound.hint if title else None), "a face names its own way out"
    told = from_dict({"error": error})
    is_own = {**(hints or {}), InvalidInput.code: own_hint}.get(told.code) == told.hint
    return Outcome(error={**error, "message": message, "hint": type(told).hint if is_own else told.hint})


class Python:
    """Methods of a bus: a local one, or one behind a hub."""

    def __init__(self, url: str | Path) -> None:
        self._bus = hallway.connect(url)

    def call(self, operation: Operation, arguments: dict[str, Any]) -> Outcome:
        service = self._bus.services[operation.noun]
        own_hint = f"See: help({type(service).__name__}.{operation.name.partition('.')[2]})"
        try:
            result = getattr(service, operation.name.partition(".")[2])(**arguments)
        except HallwayError as error:
            return failed(json.loads(encode(error.to_dict()))["error"], own_hint)
        return Outcome(json.loads(encode(result)))

    def close(self) -> None:
        self._bus.close()


class Http:
    """Plain requests, each answer held against its declared schema."""

    def __init__(self, port: int) -> None:
        self._client = Client(port)

    def call(self, operation: Operation, arguments: dict[str, Any]) -> Outcome:
        rest = dict(arguments)
        filled = {name: quote(str(rest.pop(name)), safe="") for name in re.findall(r"{(\w+)}", operation.path)}
        path, body = operation.path.format(**filled), None
        if operation.body:
            body = rest[operation.body]
        elif operation.method in ("GET", "DELETE"):
            path += "?" + urlencode({name: as_text(value) for name, value in rest.items()})
        else:
            body = rest
        headers = {HERE_HEADER: write_here(LocalWorkspace())}
        answer = self._client.call(operation.method, path, body, headers)
        if answer.status != 200:
            assert from_dict(answer.json).status == answer.status
            assert not COMMAND.search(answer.error["hint"]), answer.error
            return failed(answer.error, f"See {operation.method} {operation.path} in GET /openapi.json", HTTP_HINTS)
        return Outcome(answer.json)

    def close(self) -> None:
        self._client.close()


class CommandLine:
    """`hallway --json …` in processes of its own; where it has no verb, what Python says stands in for it."""

    def __init__(self, environ: dict[str, str], folder: Path, stand_in: Python) -> None:
        self._environ = environ
        self._folder = folder
        self._stand_in = stand_in

    def call(self, operation: Operation, arguments: dict[str, Any]) -> Outcome:
        if operation.verb is None:
            return self._stand_in.call(operation, arguments)
        done = subprocess.run(
            [sys.executable, "-m", "hallway", *words(operation, arguments)],
            env=self._environ,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if done.returncode:
            body = json.loads(done.stderr)
            assert done.returncode == from_dict(body).exit_status, done.stderr
            assert done.stdout == ""
            labels = {name: label(operation, name) for name in operation.parameters}
            verb = f"hallway {operation.verb}"
            return failed(body["error"], f"See: {verb} --help", HINTS, labels, verb)
        assert done.stderr == ""
        return Outcome(json.loads(done.stdout))

    def close(self) -> None:
        self._stand_in.close()


MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


class Mcp:
    """Tools of the profile that has every operation; who acts is told as each transport tells it, never as an argument.

    An agent cannot be a person, so what a person does is left to Python.
    """

    def __init__(self, stand_in: Python) -> None:
        self._stand_in = stand_in

    def call(self, operation: Operation, arguments: dict[str, Any]) -> Outcome:
        rest = dict(arguments)
        acting = rest.pop(actor(operation) or "", None)
        if operation.is_persons:
            return self._stand_in.call(operation, arguments)
        if actor(operation) and (not isinstance(acting, str) or acting.startswith(PERSON)):
            return self._stand_in.call(operation, arguments)
        name = operation.name.replace(".", "_")
        params = {"name": name, "arguments": rest, "_meta": dict(MODERN)}
        answer = self._ask({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, acting)
        result = answer["result"]
        if result.get("isError"):
            error = json.loads(result["content"][0]["text"])
            assert not COMMAND.search(error["hint"]), error
            return failed(error, f"See the inputSchema of {name} in tools/list", MCP_HINTS, title=name)
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        return Outcome(result["structuredContent"]["result"])

    def _ask(self, message: dict[str, Any], acting: str | None) -> dict[str, Any]:
        raise NotImplementedError

    def close(self) -> None:
        self._stand_in.close()


class McpStdio(Mcp):
    """`hallway mcp` in a process of its own for each case, told in a call's metadata whose session it is."""

    def __init__(self, environ: dict[str, str], folder: Path, stand_in: Python) -> None:
        super().__init__(stand_in)
        self._environ = environ
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def renew(self) -> None:
        """End the process, whose sessions end with it."""
        if self._process is not None:
            self._process.communicate(timeout=60)
            assert self._process.returncode == 0
            self._process = None

    def _ask(self, message: dict[str, Any], acting: str | None) -> dict[str, Any]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hallway", "mcp", "--profile", "full"],
                env=self._environ,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin
        assert self._process.stdout
        if acting is not None:
            message["params"]["_meta"]["sessionId"] = acting
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self.renew()
        super().close()


class McpHttp(Mcp):
    """`POST /mcp`, told in a header whose session it is."""

    def __init__(self, port: int, stand_in: Python) -> None:
        super().__init__(stand_in)
        self._client = Client(port)

    def _ask(self, message: dict[str, Any], acting: str | None) -> dict[str, Any]:
        headers = {
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": message["params"]["name"],
            HERE_HEADER: write_here(LocalWorkspace()),
        }
        if acting is not None:
            headers["Hallway-Session"] = quote(acting, safe="")
        answer = self._client.call("POST", "/mcp?profile=full", message, headers)
        assert answer.status == 200
        return dict(answer.json)

    def close(self) -> None:
        self._client.close()
        super().close()


def words(operation: Operation, arguments: dict[str, Any]) -> list[str]:
    """A call as it is typed."""
    bare = [as_text(arguments[name]) for name in operation.words if name in arguments]
    typed = []
    for name, value in arguments.items():
        parameter = operation.parameters.get(name)
        is_switch = parameter is not None and isinstance(parameter.kind, Boolean)
        if name in operation.words or value is None or (is_switch and value == bool(parameter.default)):
            continue  # what a command line says by saying nothing
        if parameter is None:
            typed.append(f"--{name.replace('_', '-')}={as_text(value)}")
        elif is_switch:
            typed.append(flag(parameter))
        elif as_text(value).startswith("-"):
            typed.append(f"{flag(parameter)}={as_text(value)}")
        else:
            typed += [flag(parameter), as_text(value)]
    is_risky = any(word.startswith("-") for word in bare)
    return [*(operation.verb or "").split(), *typed, "--json", *(["--"] if is_risky else []), *bare]


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TOKEN = re.compile(r"hallway_[\w-]{43}")
LASTING = frozenset({"status_s", "silent_s", "retry_in_s"})
ANY = "some seconds"
AGO = re.compile(r"\b\d+ s ago")
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{16}\b")


class Normaliser:
    """Makes what differs between runs alike: times by their order, ids by their first appearance."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._times: set[str] = set()

    def see(self, value: Any) -> None:
        """Note what is in a value."""
        if isinstance(value, dict):
            for child in value.values():
                self.see(child)
        elif isinstance(value, list):
            for child in value:
                self.see(child)
        elif isinstance(value, str):
            if TIME.fullmatch(value):
                self._times.add(value)
            for found in ID.findall(value):
                self._ids.setdefault(found, f"id-{len(self._ids) + 1}")

    def normal(self, value: Any) -> Any:
        if isinstance(value, dict):  # how long something lasts depends on how busy the machine is
            return {
                name: ANY if name in LASTING and child is not None else self.normal(child)
                for name, child in value.items()
            }
        if isinstance(value, list):
            return [self.normal(child) for child in value]
        if isinstance(value, str):
            if TIME.fullmatch(value):
                return f"time {sorted(self._times, key=datetime.fromisoformat).index(value) + 1}"
            value = AGO.sub("some time ago", TOKEN.sub("a token", value))
            return ID.sub(lambda match: self._ids[match[0]], value)
        return value
