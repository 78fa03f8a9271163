"""A proxy in front of a hub that speaks TLS, trickles, stops, cuts and half closes connections, as a test wants it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self


def make_certificate(folder: Path) -> tuple[str, str]:
    """A certificate for this machine that signs itself, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl here to make a certificate with")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert]
    subprocess.run([*command, *names], check=True, capture_output=True)
    return cert, key


class Proxy:
    """A proxy of bytes before a port of this machine.

    `tls` is a certificate with its key and the one version that is spoken; `at_once` how many bytes go to the client in
    one piece.
    """

    def __init__(self, port: int, tls: tuple[str, str, ssl.TLSVersion] | None = None, at_once: int = 65536) -> None:
        self.upstream = port
        self._at_once = at_once
        self._context = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls[0], tls[1])
            self._context.minimum_version = self._context.maximum_version = tls[2]
            self._context.num_tickets = 2
        self._may_pass = threading.Event()
        self._may_pass.set()
        self._clients: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client = self._server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._may_pass.wait()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hub = None
        try:
            client = self._context.wrap_socket(client, server_side=True) if self._context else client
            self._clients.append(client)
            hub = socket.create_connection(("127.0.0.1", self.upstream))
            there = threading.Thread(target=self._pass_on, args=(client, hub, 65536), daemon=True)
            there.start()
            self._pass_on(hub, client, self._at_once)
        except OSError:
            pass
        finally:
            for each in (client, hub):
                if each is not None:
                    each.close()

    def _pass_on(self, source: socket.socket, target: socket.socket, at_once: int) -> None:
        try:
            while data := source.recv(65536):
                self._may_pass.wait()
                for begin in range(0, len(data), at_once):
                    target.sendall(data[begin : begin + at_once])
            target.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass

    def freeze(self) -> None:
        """Pass nothing on, and accept connections without a word."""
        self._may_pass.clear()

    def thaw(self) -> None:
        self._may_pass.set()

    def cut(self, how: int = socket.SHUT_RDWR) -> None:
        """End the connections of all clients: both ways, or only what they read."""
        for client in self._clients:
            try:
                socket.socket.shutdown(client, how)
            except OSError:
                pass
        self._clients.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.close()
        self.thaw()
        self.cut()
