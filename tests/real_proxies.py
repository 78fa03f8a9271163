"""The proxies of Debian before two hubs, with or without TLS: `apt-get install nginx caddy haproxy`."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from postgres import free_port
from support import until

NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream hubs {{ server 127.0.0.1:{a} fail_timeout=1s; server 127.0.0.1:{b} fail_timeout=1s; }}
    server {{
        listen 127.0.0.1:{port}{tls}
        location / {{
            proxy_pass http://hubs;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_buffering off;
            proxy_read_timeout 90s;
        }}
    }}
}}
"""
CADDY = """\
{{
    admin off
    auto_https off
    default_sni 127.0.0.1
}}
{scheme}://127.0.0.1:{port} {{
    {tls}
    reverse_proxy 127.0.0.1:{a} 127.0.0.1:{b} {{
        lb_try_duration 5s
        health_uri /ready
        health_interval 200ms
        health_timeout 10s
        flush_interval -1
    }}
}}
"""
HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout check 10s
    timeout client 90s
    timeout server 90s
    option redispatch
    option httpchk GET /ready
frontend in
    bind 127.0.0.1:{port}{tls}
    default_backend hubs
backend hubs
    retry-on conn-failure empty-response
    http-request disable-l7-retry unless METH_GET
    server a 127.0.0.1:{a} check inter 200ms fall 2 rise 1
    server b 127.0.0.1:{b} check inter 200ms fall 2 rise 1
"""
# For each proxy: its configuration, the options that it is started with, and its lines without and with TLS.
PROXIES = {
    "nginx": (
        NGINX,
        ("-p", "{folder}", "-c", "{path}"),
        ";",
        " ssl;\n ssl_certificate {cert};\n ssl_certificate_key {key};\n ssl_protocols TLSv{version};",
    ),
    "caddy": (
        CADDY,
        ("run", "--adapter", "caddyfile", "--config", "{path}"),
        "",
        "tls {cert} {key} {{\n protocols tls{version} tls{version}\n }}",
    ),
    "haproxy": (
        HAPROXY,
        ("-db", "-f", "{path}"),
        "",
        " ssl crt {folder}/both.pem ssl-min-ver TLSv{version} ssl-max-ver TLSv{version}",
    ),
}


class RealProxy:
    """A proxy before two ports of this machine; the test is skipped where the proxy is not installed."""

    def __init__(self, name: str, folder: Path, ports: list[int], tls: tuple[str, str, str] | None = None) -> None:
        """Start it; `tls` is the certificate, its key and the version, such as 1.3."""
        template, options, plain, encrypted = PROXIES[name]
        program = program_of(name)
        self.port = free_port()
        folder = folder / name
        folder.mkdir()
        lines = plain
        if tls is not None:
            cert, key, version = tls
            (folder / "both.pem").write_text(Path(cert).read_text() + Path(key).read_text())
            lines = encrypted.format(cert=cert, key=key, version=version, folder=folder)
        path = folder / "config"
        scheme = "http" if tls is None else "https"
        a, b = ports
        path.write_text(template.format(folder=folder, port=self.port, a=a, b=b, scheme=scheme, tls=lines))
        command = [program, *(each.format(folder=folder, path=path) for each in options)]
        with (folder / "log").open("wb") as log:
            environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        until(lambda: self._process.poll() is not None or listens(self.port))
        assert self._process.poll() is None, (folder / "log").read_text()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def program_of(proxy: str) -> str:
    """The path of an installed proxy; skips the test where it is not installed."""
    program = shutil.which(proxy, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip(f"{proxy} is not installed here: apt-get install {proxy}")
    return program


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
