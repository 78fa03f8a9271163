"""A real HTTP server that receives notifications, as a webhook's or as ntfy's does."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self


class Request:
    """What the receiver got."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers each request with what `answer` gives: a status, and a body or a record to send as JSON."""

    def __init__(self, answer: Callable[[Request], tuple[int, Any]] | None = None) -> None:
        self.requests: list[Request] = []
        self.headers: dict[str, str] = {}
        self._answer = answer or (lambda request: (200, {}))
        self._lock = Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                with receiver._lock:
                    status, said = receiver._answer(request)
                    receiver.requests.append(request)
                content = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


def ask(bus: Any, question: str = "Which port?") -> None:
    """Have the session that the tests have ask a question."""
    bus.sessions.update_status("bob", "waiting", reason="question", detail=question)


def webhook(receiver: Receiver, **more: Any) -> Any:
    """The options of a webhook that may reach the receiver."""
    from hallway.notifications.rules import SinkOptions

    return SinkOptions("hook", "webhook", **{"url": f"{receiver.url}/in?team=1", "allow_private": True, **more})
