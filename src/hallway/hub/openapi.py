"""GET /openapi.json: the catalogue as an OpenAPI 3.1 document."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import hallway
from hallway.core import model
from hallway.core.errors import HallwayError
from hallway.core.model import Record
from hallway.core.record_fields import describe, words_of
from hallway.core.schema import Timestamp
from hallway.mcp.server import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hallway.core.operation import Operation, Parameter

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "hint": {"type": "string"}},
        }
    },
}
PLAIN = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the whole document, generated from the operations."""
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    _add_stream(paths["/events"]["get"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hallway",
            "summary": (hallway.__doc__ or "").partition("\n")[0],
            "version": hallway.__version__,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths | _plain_paths(),
        "components": {"schemas": {"Error": ERROR} | {name: _record(record) for name, record in _records().items()}},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    in_path = [p for p in operation.parameters.values() if f"{{{p.name}}}" in operation.path]
    rest = [p for p in operation.parameters.values() if p not in in_path]
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.noun],
        "summary": operation.about,
        "description": inspect.cleandoc(operation.function.__doc__ or ""),
        "parameters": [_parameter(p, "path", operation.long_place) for p in in_path],
        "responses": {
            "200": {"description": "Done", "content": _json(_result(operation))},
            "default": {"description": "An error", "content": _json({"$ref": "#/components/schemas/Error"})},
        },
    }
    if operation.method in ("GET", "DELETE"):
        described["parameters"] += [_parameter(p, "query") for p in rest]
    elif operation.body:
        body = operation.parameters[operation.body].kind.json_schema()
        described["requestBody"] = {"required": True, "content": _json(body)}
    elif rest:
        required = [p.name for p in rest if p.is_required]
        schema = {"type": "object", "additionalProperties": False, "properties": {p.name: _value(p) for p in rest}}
        described["requestBody"] = {
            "required": bool(required),
            "content": _json(schema | ({"required": required} if required else {})),
        }
    _add_headers(described, operation)
    return described


def _add_headers(described: dict[str, Any], operation: Operation) -> None:
    """Add the headers that stand for parameters, and the answer to a failed condition."""
    if "idempotency_key" in operation.parameters:
        about = f"The same as idempotency_key. {operation.parameters['idempotency_key'].kind.about}"
        described["parameters"].append(_header("Idempotency-Key", about))
    if "expected_version" in operation.parameters:
        about = 'The same as expected_version, as GET tells it in the header ETag: "3"'
        described["parameters"].append(_header("If-Match", about))
        described["parameters"].append(_header("If-None-Match", "*: only if there is none, as expected_version 0"))
        error = _json({"$ref": "#/components/schemas/Error"})
        described["responses"]["412"] = {"description": "Another version is the newest", "content": error}


def _header(name: str, about: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": about}


def _add_stream(described: dict[str, Any]) -> None:
    """Add the second answer format of GET /events: server-sent events."""
    described["responses"]["200"]["content"]["text/event-stream"] = {
        "schema": {"type": "string", "description": "Without end; each event's id is its seq, its data the JSON of it"}
    }
    described["parameters"].append(
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "schema": {"type": "integer", "minimum": 0},
            "description": "Of a stream: it goes on after this seq",
        }
    )


def _parameter(parameter: Parameter, place: str, long_place: str | None = None) -> dict[str, Any]:
    schema = parameter.kind.json_schema()
    if parameter.name == long_place:
        schema["description"] += ". In the path a slash may be sent as it is, or as %2F; before a last /history as %2F"
    described: dict[str, Any] = {"name": parameter.name, "in": place, "required": place == "path"}
    if schema.get("type") == "array":
        described |= {"style": "form", "explode": True}
    if place == "query" and parameter.is_required:
        described["required"] = True
    if parameter.default is not None:
        schema["default"] = parameter.default
    return described | {"schema": schema}


def _value(parameter: Parameter) -> dict[str, Any]:
    schema = parameter.kind.json_schema()
    if parameter.is_required or not schema.get("type"):
        return schema
    if parameter.default is not None:
        schema["default"] = parameter.default
    about = {"description": schema.pop("description")} if "description" in schema else {}
    return {"anyOf": [schema, {"type": "null"}], **about}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _result(operation: Operation) -> dict[str, Any]:
    kind, is_list = operation.returns
    one = {"$ref": f"#/components/schemas/{kind.__name__}"} if issubclass(kind, Record) else PLAIN[kind.__name__]
    return {"type": "array", "items": one} if is_list else one


def _records() -> dict[str, type[Record]]:
    return {
        name: member
        for name, member in vars(model).items()
        if isinstance(member, type) and issubclass(member, Record) and member is not Record
    }


def _record(record: type[Record]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": (record.__doc__ or "").partition("\n")[0],
        "required": list(record._fields),
        "properties": {name: _field(record, name) for name in record._fields},
    }


def _field(record: type[Record], name: str) -> dict[str, Any]:
    annotation, optional, _ = record.__annotations__[name].partition(" | None")
    schema = _type(annotation)
    if words := words_of(record, name):
        schema = {**schema, "enum": list(words)}
    about = {"description": describe(record, name)}
    return {"anyOf": [schema, {"type": "null"}], **about} if optional else {**schema, **about}


def _type(annotation: str) -> dict[str, Any]:
    if annotation.startswith("list["):
        return {"type": "array", "items": _type(annotation[5:-1])}
    if annotation.startswith("dict["):
        return {"type": "object", "additionalProperties": _type(annotation[:-1].partition(", ")[2])}
    if annotation == "datetime":
        return dict(Timestamp.json_type)
    if annotation in PLAIN:
        return PLAIN[annotation]
    return {} if annotation == "Json" else {"$ref": f"#/components/schemas/{annotation}"}


def _plain_paths() -> dict[str, Any]:
    """Return the hub's paths that are not operations."""
    health = {
        "type": "object",
        "required": ["status", "is_ready", "version"],
        "properties": {"status": {"const": "ok"}, "is_ready": {"type": "boolean"}},
    }
    probe = {
        "200": {"description": "It can", "content": _json(health)},
        "503": {"description": "Not now", "content": _json({"$ref": "#/components/schemas/Error"})},
    }
    one = {"type": "object", "properties": {"jsonrpc": {"const": "2.0"}}}
    message = {"oneOf": [one, {"type": "array", "items": one}]}
    answer = {"description": "A JSON-RPC response", "content": _json(message)}
    return {
        "/mcp": {
            "post": {
                "operationId": "mcp",
                "tags": ["hub"],
                "summary": "The Model Context Protocol: one JSON-RPC message, and its answer",
                "parameters": [
                    {
                        "name": "profile",
                        "in": "query",
                        "required": False,
                        "schema": {"enum": list(PROFILES)},
                        "description": "Which tools there are",
                    }
                ],
                "requestBody": {"required": True, "content": _json(message)},
                "responses": {"200": answer, "202": {"description": "Nothing to answer"}, "default": answer},
            }
        },
        "/health": {
            "get": {
                "operationId": "health",
                "tags": ["hub"],
                "summary": "Whether the hub can answer",
                "responses": probe,
            }
        },
        "/ready": {
            "get": {
                "operationId": "ready",
                "tags": ["hub"],
                "summary": "Whether the hub should get requests: it can answer and was not told to stop",
                "responses": probe,
            }
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "tags": ["hub"],
                "summary": "The hub's numbers for Prometheus",
                "responses": {
                    "200": {"description": "Text", "content": {"text/plain": {"schema": {"type": "string"}}}},
                },
            }
        },
    }


def error_codes() -> dict[str, type[HallwayError]]:
    """Return every error code with its class, for the reference."""
    codes: dict[str, type[HallwayError]] = {}
    waiting = [HallwayError]
    while waiting:
        error = waiting.pop()
        codes.setdefault(error.code, error)
        waiting += error.__subclasses__()
    return codes
