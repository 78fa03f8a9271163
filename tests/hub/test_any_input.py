"""No input makes the hub break: whatever numbers, cursors, globs, depths and halves of characters it holds."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import postgres
from hub.client import Answer, raw_exchange
from hub.process import HubProcess
from support import STORES, open_store

CURSORS = (
    "0:99999999999999999999",
    "0:-99999999999999999999",
    "1e999:1",
    "nan:1",
    "inf:1",
    "-inf:0",
    "0:1_0",
    "~0:1",
    "~nan:99999999999999999999",
    "0:\u0661",
    "x",
    "9" * 30,
)
GLOBS = (
    "[z-a]",
    "[",
    "[]",
    "[^]",
    "[a-]",
    "[-a]",
    "[--]",
    "[]-a]",
    "[\\]",
    "[[:alpha:]]",
    "(",
    "a{2}",
    "\\d",
    "[z-a-b]",
    "[^z-a]",
    "[+--]",
    "[,--a]",
    "[^-]",
    "[a^-b]",
    "[b-a]*",
    "*" * 200,
)
NUMBERS = ("9" * 19, "9" * 20, "9" * 400, "9" * 5000, "-" + "9" * 20, "1e400", "1.0", "0x1", "1_0", "NaN", "Infinity")
DEEP = (b"[" * 64 + b"]" * 64, b"[" * 999 + b"]" * 999, b'{"a":' * 1001 + b"1" + b"}" * 1001, b"[" * 100_000)
PATHS = (
    "/%",
    "/%zz",
    "/%ff",
    "/sessions/%ff",
    "/sessions/%00",
    "/memory/%ed%a0%80",
    "//",
    "/..",
    "/sessions//",
    "/page/static/x/..%2f",
    "/sessions?%ff",
    "/sessions?a=%ff",
    "/sessions?project=%ed%a0%80",
    "/sessions?project=%00",
    "/page/login?to=%ff",
    "/page/session?id=%ed%a0%80",
    "/page/memory?q=%00",
)
IDS = ('"\\ud800"', '"x\\udfff"', "9" * 30, "1e400", "null", "[]", "true", '"' + "x" * 10_000 + '"', "[" * 2000)


@pytest.fixture(scope="module", params=STORES)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    home: Path = tmp_path_factory.mktemp("input") / "hallway"
    address = postgres.new_address(request.param, home / "bus")
    with open_store(address) as bus:
        for key in ("a", "b", "z", "-", "]", "ab"):
            bus.memory.set("user:alice", key, "alpha", project="default")
    with HubProcess(home, "--store", address) as hub:
        yield hub
    postgres.forget(address)


def ask(hub: HubProcess, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """The answer to a request, which is never that the hub broke."""
    said = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}{said}\r\n"
    answer = raw_exchange(hub.port, head.encode() + (body or b""))
    assert answer.status < 500, (method, path[:100], (body or b"")[:100], answer.body[:300])
    return answer


def test_any_cursor_is_read_or_refused(hub: HubProcess) -> None:
    for cursor in CURSORS:
        for filters in ("q=alpha&", "tags=a&", ""):
            answer = ask(hub, "GET", f"/memory?{filters}after={quote(cursor)}&project=default")
            assert answer.status in (200, 400), cursor


def test_any_glob_fits_the_same_keys_on_both_stores(hub: HubProcess) -> None:
    import sqlite3

    with sqlite3.connect(":memory:") as judge:
        for glob in GLOBS:
            found = ask(hub, "GET", f"/memory?pattern={quote(glob)}&project=default").json
            keys = [
                key
                for key in ("-", "]", "a", "ab", "b", "z")
                if judge.execute("SELECT ? GLOB ?", (key, glob)).fetchone()[0]
            ]
            assert sorted(each["key"] for each in found) == sorted(keys), glob
            ask(hub, "GET", f"/memory?q=alpha&pattern={quote(glob)}&project=default")


def test_any_number_is_read_or_refused(hub: HubProcess) -> None:
    for number in NUMBERS:
        for path in (
            "/events?after=",
            "/events?limit=",
            "/messages?before=",
            "/sessions?limit=",
            "/memory?limit=",
            "/sessions/user:a/inbox?wait_s=",
            "/files?within_s=",
            "/memory/k/history?before_version=",
            "/messages/x/thread?after=",
            "/page/messages?before=",
            "/page/events?before=",
        ):
            ask(hub, "GET", path + number)
        assert ask(hub, "GET", "/events", Last_Event_ID=number, Accept="text/event-stream").status == 400
        text = number.encode()
        ask(hub, "POST", "/sessions/x/heartbeat", b'{"ttl_s":%s}' % text)
        ask(hub, "PUT", "/memory/k", b'{"session_id":"user:a","value":1,"ttl":%s}' % text)
        ask(hub, "PUT", "/memory/k", b'{"session_id":"user:a","value":1,"expected_version":%s}' % text)
        ask(hub, "PUT", "/memory/k", b'{"session_id":"user:a","value":%s}' % text)
        ask(hub, "POST", "/prune", b'{"keep_bytes":%s}' % text)


def test_any_depth_is_read_or_refused(hub: HubProcess) -> None:
    for deep in DEEP:
        for method, path in (("POST", "/messages"), ("POST", "/mcp"), ("POST", "/sessions/x/status")):
            ask(hub, method, path, deep)
        ask(hub, "PUT", "/memory/k", b'{"session_id":"user:a","value":%s}' % deep)
        ask(hub, "POST", "/messages", b'{"from_session":"user:a","to_session":"user:b","subject":"x","data":%s}' % deep)
        ask(hub, "POST", "/sessions/x/heartbeat", b'{"status_detail":%s}' % deep)
        if len(deep) < 10_000:
            ask(hub, "GET", f"/events?kinds={quote(deep)}")


@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
def test_mcp_answers_whatever_id_and_whatever_halves_of_characters(hub: HubProcess, version: str) -> None:
    calls = (
        ("ping", "{}"),
        ("tools/call", '{"name":"\\ud800","arguments":{}}'),
        ("\\ud800", "{}"),
        ("tools/call", '{"name":"sessions","arguments":{"\\ud800":"\\ud800","session_id":"a"}}'),
        ("resources/read", '{"uri":"\\ud800"}'),
        ("initialize", '{"protocolVersion":"\\ud800"}'),
        ("tools/call", '{"name":"remember","arguments":{"session_id":"user:a","key":"k","value":"\\ud800"}}'),
    )
    for id_ in IDS:
        for method, params in calls:
            body = f'{{"jsonrpc":"2.0","id":{id_},"method":"{method}","params":{params}}}'.encode()
            answer = ask(hub, "POST", "/mcp", body, MCP_Protocol_Version=version)
            if id_.startswith('"\\ud') and answer.status == 200:
                assert answer.json["id"] == json.loads(id_)


def test_any_header_and_any_path_is_read_or_refused(hub: HubProcess) -> None:
    for path in PATHS:
        ask(hub, "GET", path)
    for name in ("Cookie", "Hallway_Here", "Hallway_Session", "Authorization", "Accept", "User_Agent", "Origin"):
        for value in ("=", "a=b=c;;;", "%ff", "project=%ff", "x" * 9000, '"', 'hallway_login="\\777"'):
            ask(hub, "GET", "/sessions", **{name: value})
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as connection:
        connection.sendall(
            b"GET /sessions HTTP/1.1\r\nHost: localhost\r\nCookie: \xff\xfe\r\nConnection: close\r\n\r\n"
        )
        assert b"HTTP/1.1 500" not in connection.recv(100)
