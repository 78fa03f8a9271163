"""A hub that offers what the official conformance suite asks for, beside the bus; run as a program, `hallway` itself.

Only tests start it. The suite cannot know which tools a server has, so it names its own; these answer through the
same handler, endpoint and server as the bus.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import hallway.hub.mcp
from hallway.cli.main import run
from hallway.core.schema import encode
from hallway.mcp.protocol import META, JsonRpcError
from hallway.mcp.server import BusServer

if TYPE_CHECKING:
    from hallway.mcp.protocol import Json, Peer, Work

MISSING_CAPABILITY = -32021
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _resource(uri: str, mime_type: str, text: str) -> Json:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": text}}


ANSWERS: dict[str, Json] = {
    "test_simple_text": {"content": [_text("This is a simple text response for testing.")]},
    "test_image_content": {"content": [IMAGE]},
    "test_audio_content": {"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]},
    "test_embedded_resource": {
        "content": [_resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
    },
    "test_multiple_content_types": {
        "content": [
            _text("Multiple content types test:"),
            IMAGE,
            _resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
        ]
    },
    "test_error_handling": {
        "content": [_text("This tool intentionally returns an error for testing")],
        "isError": True,
    },
    "json_schema_2020_12_tool": {"content": [_text("The schema is what is tested.")]},
    # Whatever a client can do, hallway asks nothing of it and logs nothing to it in the middle of a call.
    "test_streaming_elicitation": {"content": [_text("Answered at once.")]},
    "test_logging_tool": {"content": [_text("Nothing logged.")]},
    "test_missing_capability": {"content": [_text("The client can sample.")]},
}

SCHEMAS: dict[str, Json] = {
    "json_schema_2020_12_tool": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    }
}

CONTENTS: dict[str, Json] = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watched"},
}
TEMPLATE = ("test://template/", "/data")


class FixtureServer(BusServer):
    """The bus, and the suite's own tools and resources."""

    def tools(self, peer: Peer) -> list[Json]:
        fixtures = [
            {"name": name, "description": name, "inputSchema": SCHEMAS.get(name, {"type": "object"})}
            for name in ANSWERS
        ]
        return [*super().tools(peer), *fixtures]

    def call(self, name: str, arguments: Json, peer: Peer, meta: Json) -> Work | None:
        return self._answer(name, meta) if name in ANSWERS else super().call(name, arguments, peer, meta)

    def _answer(self, name: str, meta: Json) -> Work:
        yield from ()
        can = meta.get(f"{META}clientCapabilities", {})
        if name == "test_missing_capability" and "sampling" not in can:
            raise JsonRpcError(MISSING_CAPABILITY, "this needs sampling", {"requiredCapabilities": {"sampling": {}}})
        return ANSWERS[name]

    def resources(self, cursor: str | None, peer: Peer, meta: Json) -> Work:
        listed = yield from super().resources(cursor, peer, meta)
        fixtures = [{"uri": uri, "name": uri.removeprefix("test://")} for uri in CONTENTS]
        return {**listed, "resources": [*listed["resources"], *fixtures]}

    def templates(self) -> list[Json]:
        return [*super().templates(), {"uriTemplate": "{id}".join(TEMPLATE), "name": "template"}]

    def read(self, uri: str, peer: Peer, meta: Json) -> Work | None:
        before, after = TEMPLATE
        if uri.startswith(before) and uri.endswith(after):
            value = {"id": uri[len(before) : -len(after)], "templateTest": True}
            return self._given({"uri": uri, "mimeType": "application/json", "text": encode(value)})
        if uri in CONTENTS:
            return self._given({"uri": uri, **CONTENTS[uri]})
        return super().read(uri, peer, meta)

    @staticmethod
    def _given(contents: Json) -> Work:
        yield from ()
        return [contents]


def main(arguments: list[str]) -> int:
    hub_mcp: Any = hallway.hub.mcp
    assert hub_mcp.BusServer is BusServer  # the hub makes its server by this name
    hub_mcp.BusServer = FixtureServer
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
