"""A model that plays a test's script, over the four APIs that the clients use, and keeps the requests it received.

    Anthropic Messages      POST …/messages
    OpenAI Responses        POST …/responses
    OpenAI Chat Completions POST …/chat/completions
    Gemini                  POST …/models/NAME:generateContent and :streamGenerateContent

A script is a list of turns. Each is a reply, or a function that returns a reply for a request: it can read the request
and wait for something first. Requests that offer no tools (titles, probes) are not the
agent's own; they get a fixed answer and use up no turn.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ASIDE = '{"title": "a title", "isNewTopic": false}'
OVER = "(the script is over)"


class Call:
    """A tool that the model calls: the first one offered whose name matches."""

    def __init__(self, pattern: str, **arguments: Any) -> None:
        self.pattern = pattern
        self.arguments = arguments


class Reply:
    """What the model says: a text, tool calls, or both."""

    def __init__(self, text: str | None = None, *calls: Call) -> None:
        self.text = text
        self.calls = calls


class Failure:
    """An error that the API answers with instead of the model; clients do not try again."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        self.status = status
        self.body = {"type": "error", "error": {"type": kind, "code": kind, "message": message}}


class Tool:
    """A tool as it was offered; `full_name` has the namespace in front that some clients keep apart."""

    def __init__(self, name: str, namespace: str = "", kind: str = "function") -> None:
        self.name = name
        self.namespace = namespace
        self.kind = kind
        self.full_name = f"{namespace.rstrip('_')}__{name}" if namespace else name


class Request:
    """One request of a client's: what the model was shown."""

    def __init__(self, body: dict[str, Any], tools: list[Tool]) -> None:
        self.body = body
        self.tools = tools
        self.text = json.dumps(body, ensure_ascii=False)

    @property
    def context(self) -> str:
        """The request without its tools, as text."""
        return json.dumps({key: value for key, value in self.body.items() if key != "tools"}, ensure_ascii=False)

    def tool(self, pattern: str) -> Tool:
        found = next((tool for tool in self.tools if re.search(pattern, tool.full_name)), None)
        assert found, f"no tool matches {pattern}: {[tool.full_name for tool in self.tools]}"
        return found


Turn = Reply | Failure | Callable[[Request], Reply]


class Model:
    """A scripted model on a port of its own; `requests` are those of the agent, in order."""

    def __init__(self, *script: Turn) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"model": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, request: Request) -> Reply | Failure:
        """The script's next reply; a turn that fails is kept for the test to see, and ends the conversation."""
        if not request.tools:
            return Reply(ASIDE)
        with self._lock:
            self.requests.append(request)
            turn: Turn = self.script.pop(0) if self.script else Reply(OVER)
        try:
            return turn(request) if callable(turn) else turn
        except BaseException as error:
            self.errors.append(error)
            return Reply(f"(the test failed: {error})")

    def check(self) -> None:
        """Fail with what went wrong in a turn; the whole script must have been played."""
        for error in self.errors:
            raise error
        assert not self.script, f"{len(self.script)} turns were never asked for"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: Model

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._send_json({})

    def do_GET(self) -> None:
        known = {"id": "mock-model", "object": "model", "type": "model", "name": "models/mock-model"}
        self._send_json({"object": "list", "data": [known], "models": [known]})

    def do_POST(self) -> None:
        body = self._body()
        path = self.path.partition("?")[0]
        if path.endswith(("/count_tokens", ":countTokens")):
            self._send_json({"input_tokens": 100, "totalTokens": 100})
            return
        api = next((api for end, api in APIS if path.endswith(end)), None)
        if api is None:
            self._send_json({"error": {"type": "not_found_error", "message": f"no {path} here"}}, 404)
            return
        request = Request(body, list(api.tools(body)))
        reply = self.model.answer(request)
        if isinstance(reply, Failure):
            self._send_json(reply.body, reply.status, {"x-should-retry": "false"})
            return
        calls = [(request.tool(call.pattern), call.arguments) for call in reply.calls]
        try:
            if is_stream := body.get("stream") or ":stream" in path:
                self._send_events(api.events(reply.text, calls))
            else:
                self._send_json(api.whole(reply.text, calls))
        except ConnectionError:
            assert is_stream or body is not None  # the client is gone

    def _body(self) -> dict[str, Any]:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            content = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            import gzip

            content = gzip.decompress(content)
        found = json.loads(content or b"{}")
        return found if isinstance(found, dict) else {}

    def _send_json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for name, header in (headers or {}).items():
            self.send_header(name, header)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_events(self, events: Iterator[dict[str, Any] | str]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for event in events:
            name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
            data = event if isinstance(event, str) else json.dumps(event)
            self.wfile.write(f"{name}data: {data}\n\n".encode())
            self.wfile.flush()


Calls = list[tuple[Tool, dict[str, Any]]]


def _id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:20]}"


class Anthropic:
    """Messages."""

    USAGE = {"input_tokens": 100, "output_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}

    @staticmethod
    def tools(body: dict[str, Any]) -> Iterator[Tool]:
        return (Tool(str(tool.get("name"))) for tool in body.get("tools") or [])

    @classmethod
    def whole(cls, text: str | None, calls: Calls) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text is not None else []
        blocks += [
            {"type": "tool_use", "id": _id("toolu"), "name": tool.name, "input": arguments} for tool, arguments in calls
        ]
        return {
            "id": _id("msg"),
            "type": "message",
            "role": "assistant",
            "model": "mock-model",
            "content": blocks,
            "stop_reason": "tool_use" if calls else "end_turn",
            "stop_sequence": None,
            "usage": cls.USAGE,
        }

    @classmethod
    def events(cls, text: str | None, calls: Calls) -> Iterator[dict[str, Any]]:
        message = cls.whole(text, calls)
        yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
        for index, block in enumerate(message["content"]):
            is_text = block["type"] == "text"
            begun = {"type": "text", "text": ""} if is_text else {**block, "input": {}}
            delta = (
                {"type": "text_delta", "text": block["text"]}
                if is_text
                else {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            )
            yield {"type": "content_block_start", "index": index, "content_block": begun}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 10}}
        yield {"type": "message_stop"}


class Responses:
    """OpenAI's newer API: its tools may come in namespaces, or from a search for tools."""

    @staticmethod
    def tools(body: dict[str, Any]) -> Iterator[Tool]:
        items = [item for item in body.get("input") or [] if isinstance(item, dict)]
        found = [tool for item in items if item.get("type") == "tool_search_output" for tool in item.get("tools") or []]
        for tool in [*(body.get("tools") or []), *found]:
            if tool.get("type") == "namespace":
                yield from (Tool(each["name"], tool["name"], each.get("type", "function")) for each in tool["tools"])
            else:
                yield Tool(tool.get("name") or tool["type"], kind=tool["type"])

    @classmethod
    def whole(cls, text: str | None, calls: Calls) -> dict[str, Any]:
        items = [] if text is None else [cls._text(text)]
        items += [cls._call(tool, arguments) for tool, arguments in calls]
        usage = {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 10,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 110,
        }
        return {"id": _id("resp"), "object": "response", "status": "completed", "output": items, "usage": usage}

    @staticmethod
    def _text(text: str) -> dict[str, Any]:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        return {"type": "message", "id": _id("msg"), "role": "assistant", "status": "completed", "content": content}

    @staticmethod
    def _call(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        shared = {"id": _id("fc"), "call_id": _id("call"), "status": "completed"}
        if tool.kind == "tool_search":
            return {**shared, "type": "tool_search_call", "execution": "client", "arguments": arguments}
        namespace = {"namespace": tool.namespace} if tool.namespace else {}
        return {
            **shared,
            **namespace,
            "type": "function_call",
            "name": tool.name,
            "arguments": json.dumps(arguments),
        }

    @classmethod
    def events(cls, text: str | None, calls: Calls) -> Iterator[dict[str, Any]]:
        response = cls.whole(text, calls)
        yield {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}}
        for index, item in enumerate(response["output"]):
            begun = {**item, "status": "in_progress"}
            yield {"type": "response.output_item.added", "output_index": index, "item": begun}
            if item["type"] == "message":
                delta = {"item_id": item["id"], "output_index": index, "content_index": 0, "delta": text}
                yield {"type": "response.output_text.delta", **delta}
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        yield {"type": "response.completed", "response": response}


class Chat:
    """OpenAI's older API, which many others speak, too."""

    USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}

    @staticmethod
    def tools(body: dict[str, Any]) -> Iterator[Tool]:
        return (Tool(str(tool["function"]["name"])) for tool in body.get("tools") or [] if "function" in tool)

    @staticmethod
    def _message(text: str | None, calls: Calls) -> dict[str, Any]:
        called = [
            {
                "index": index,
                "id": _id("call"),
                "type": "function",
                "function": {"name": tool.name, "arguments": json.dumps(arguments)},
            }
            for index, (tool, arguments) in enumerate(calls)
        ]
        return {"role": "assistant", "content": text or "", **({"tool_calls": called} if called else {})}

    @classmethod
    def whole(cls, text: str | None, calls: Calls) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": cls._message(text, calls),
            "finish_reason": "tool_calls" if calls else "stop",
        }
        return {"id": _id("chat"), "object": "chat.completion", "choices": [choice], "usage": cls.USAGE}

    @classmethod
    def events(cls, text: str | None, calls: Calls) -> Iterator[dict[str, Any] | str]:
        chunk = {"id": _id("chat"), "object": "chat.completion.chunk", "model": "mock-model", "created": 1}
        for delta, finish in ((cls._message(text, calls), None), ({}, "tool_calls" if calls else "stop")):
            yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        yield {**chunk, "choices": [], "usage": cls.USAGE}
        yield "[DONE]"


class Gemini:
    """Google's."""

    @staticmethod
    def tools(body: dict[str, Any]) -> Iterator[Tool]:
        for tool in body.get("tools") or []:
            yield from (Tool(str(each["name"])) for each in tool.get("functionDeclarations") or [])

    @staticmethod
    def whole(text: str | None, calls: Calls) -> dict[str, Any]:
        parts: list[dict[str, Any]] = [] if text is None else [{"text": text}]
        parts += [
            {"functionCall": {"name": tool.name, "args": arguments, "id": _id("fc")}} for tool, arguments in calls
        ]
        content = {"role": "model", "parts": parts}
        usage = {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110}
        return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}

    @classmethod
    def events(cls, text: str | None, calls: Calls) -> Iterator[dict[str, Any]]:
        yield cls.whole(text, calls)


APIS: tuple[tuple[str, Any], ...] = (
    ("/messages", Anthropic),
    ("/responses", Responses),
    ("/chat/completions", Chat),
    (":generateContent", Gemini),
    (":streamGenerateContent", Gemini),
)
