"""The server inside a session: it knows whose it is, and the bus knows that the session lives and when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hallway
from hallway.bus.base import Bus
from hallway.core.errors import SessionNotFound
from hallway.core.topics import topic
from hallway.local import presence
from hallway.local.notify import notify
from hallway.mcp.protocol import Peer
from hallway.mcp.session_binding import CLOSED, HEARTBEAT_S, UNNAMED_S, SessionBinding
from hub.process import HubProcess
from mcp_server import Server, environment
from support import kinds, until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are watched through /proc")

CLAUDE = {"CLAUDE_CODE_SESSION_ID": "c1"}


@pytest.fixture
def shop(home: Path) -> Iterator[Bus]:
    """The bus the servers are on."""
    with hallway.connect(home / "hallway", project="github.com/acme/shop") as bus:
        yield bus


@pytest.fixture
def serve(home: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def serve(*words: str, **environ: str) -> Server:
        servers.append(Server(home / "hallway", *words, **environ))
        return servers[-1]

    yield serve
    for server in servers:
        if server.process.returncode is None:
            server.kill()


def status(bus: Bus, session_id: str) -> str | None:
    try:
        return bus.sessions.get(session_id).status
    except SessionNotFound:
        return None


def ids(bus: Bus) -> set[str]:
    return {session.session_id for session in bus.sessions.list_sessions()}


# -- whose it is ------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S7")
@pytest.mark.parametrize(
    ("client", "environ", "session_id"),
    [
        ("claude-code", CLAUDE, "c1"),
        ("qwen-code", {"QWEN_CODE_SESSION_ID": "q1"}, "q1"),
        ("github-copilot", {"COPILOT_AGENT_SESSION_ID": "p1"}, "p1"),
        ("gemini-cli-mcp-client", {"GEMINI_SESSION_ID": "g1"}, "g1"),
        ("some-script", {"HALLWAY_SESSION": "mine"}, "mine"),
        ("gemini-cli-mcp-client", {**CLAUDE, "HALLWAY_SESSION": "inner"}, "inner"),
    ],
)
def test_a_session_is_known_from_its_agents_environment(
    serve: Callable[..., Server], shop: Bus, client: str, environ: dict[str, str], session_id: str
) -> None:
    server = serve(**environ)
    server.initialize(client)
    assert server.call("status")["session_id"] == session_id
    assert ids(shop) == {session_id}
    assert shop.sessions.get(session_id).agent_name.startswith(f"{client} in ")


@pytest.mark.promise("S7")
def test_a_calls_metadata_name_the_session(serve: Callable[..., Server], shop: Bus) -> None:
    """As Codex does: its server gets no session in the environment, and one process may hold several threads."""
    server = serve()
    server.initialize("codex-mcp-client")
    assert server.call("status", {"threadId": "t1"})["session_id"] == "t1"
    assert server.call("status", {"threadId": "t2"})["session_id"] == "t2"
    assert ids(shop) == {"t1", "t2"}
    assert shop.sessions.get("t1").agent_type == "codex"


@pytest.mark.promise("S7")
def test_a_hooks_word_for_the_client_process_names_the_session(serve: Callable[..., Server], shop: Bus) -> None:
    """And it is newer than the environment: an agent goes on under another id, and its server stays."""
    presence.bind(shop.folder, "hooked", os.getpid())
    server = serve(**CLAUDE)
    server.initialize()
    assert server.call("status")["session_id"] == "hooked"
    presence.bind(shop.folder, "next", os.getpid())
    assert server.call("status")["session_id"] == "next"


# A client's process, which starts its server through launchers and a shell.
LAUNCHED = """
import subprocess, sys
launcher = [sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"]
sys.exit(subprocess.call([*launcher * int(sys.argv[1]), "sh", "-c", 'timeout 300 "$@"; true', "sh", *sys.argv[2:]]))
"""


@pytest.fixture
def launched(home: Path) -> Iterator[Callable[..., tuple[Server, int]]]:
    """A server below a client's process with launchers in between, and the client's process id."""
    servers: list[Server] = []

    def launch(launchers: int, **environ: str) -> tuple[Server, int]:
        server = Server(home / "hallway", program=[sys.executable, "-c", LAUNCHED, str(launchers)], **environ)
        servers.append(server)
        return server, server.process.pid

    yield launch
    for server in servers:
        if server.process.returncode is None:
            server.close()


@pytest.mark.promise("S7")
@pytest.mark.parametrize("launchers", [0, 1, 3])
@pytest.mark.parametrize(
    ("client", "agent_type", "environ"), [("claude-code", "claude-code", CLAUDE), ("gemini-cli", "gemini", {})]
)
def test_a_server_behind_launchers_follows_its_client_to_the_next_session(
    launched: Callable[..., tuple[Server, int]],
    shop: Bus,
    launchers: int,
    client: str,
    agent_type: str,
    environ: dict[str, str],
) -> None:
    server, pid = launched(launchers, **environ)
    server.initialize(client)
    presence.bind(shop.folder, "c1", pid, client=agent_type)
    assert server.call("status")["session_id"] == "c1"
    shop.sessions.end("c1", "clear")
    presence.bind(shop.folder, "c2", pid, client=agent_type)
    notify(os.path.join(shop.folder, "wake"), {topic("processes", str(pid))})
    until(lambda: status(shop, "c2") not in (None, "offline"))  # without a call: the hook's word is enough
    assert server.call("status")["session_id"] == "c2"
    assert status(shop, "c1") == "offline"
    assert server.close() == 0
    until(lambda: status(shop, "c2") == "offline")


@pytest.mark.promise("S7")
@pytest.mark.parametrize(("client", "environ"), [("claude-code", {"CLAUDE_CODE_SESSION_ID": "inner"}), ("codex", {})])
def test_a_client_that_an_agent_started_does_not_speak_for_that_agent(
    launched: Callable[..., tuple[Server, int]], shop: Bus, client: str, environ: dict[str, str]
) -> None:
    shop.sessions.register("outer", "alice's agent", "claude-code")
    presence.bind(shop.folder, "outer", os.getpid(), client="claude-code")
    server, _ = launched(1, **environ)
    server.initialize(client)
    assert server.call("status")["session_id"] != "outer"
    assert server.close() == 0
    assert shop.sessions.get("outer").is_live


@pytest.mark.promise("S7")
def test_two_sessions_in_one_client_process_do_not_speak_for_each_other(
    serve: Callable[..., Server], shop: Bus
) -> None:
    """A program may run several agents, each with a server of its own that is told its session."""
    servers = {session_id: serve(HALLWAY_SESSION=session_id) for session_id in ("a1", "a2")}
    for _ in range(2):
        for session_id, server in servers.items():
            assert server.call("status")["session_id"] == session_id
    assert {each.session_id for each in shop.sessions.list_sessions()} == {"a1", "a2"}


def test_a_server_started_again_knows_the_session_that_a_call_named(serve: Callable[..., Server], shop: Bus) -> None:
    first = serve()
    first.initialize("codex-mcp-client")
    assert first.call("status", {"sessionId": "t1"})["session_id"] == "t1"
    first.kill()
    assert serve().call("status")["session_id"] == "t1"


def test_where_nothing_names_one_it_has_a_session_of_its_own(serve: Callable[..., Server], shop: Bus) -> None:
    first = serve()
    first.initialize("a nice client")
    own = first.call("status")["session_id"]
    assert own.startswith("own-a-nice-client-")
    assert shop.sessions.get(own).agent_name == f"a nice client in {Path.cwd().name}"
    assert first.close() == 0
    assert status(shop, own) == "offline"
    again = serve()
    again.initialize("a nice client")
    assert again.call("status")["session_id"] == own  # a client that restarts its server is no second session


def test_its_own_session_ends_once_the_real_one_is_known(serve: Callable[..., Server], shop: Bus) -> None:
    server = serve()
    server.initialize("gemini-cli-mcp-client")
    own = server.call("status")["session_id"]
    presence.bind(shop.folder, "real", os.getpid())
    assert server.call("status")["session_id"] == "real"
    until(lambda: status(shop, own) == "offline")
    assert ids(shop) == {"real"}


@pytest.mark.promise("S14")
def test_what_its_own_session_was_sent_is_the_real_ones(serve: Callable[..., Server], shop: Bus) -> None:
    server = serve()
    server.initialize("gemini-cli-mcp-client")
    own = server.call("status")["session_id"]
    shop.messages.send("user:alice", own, "request", "Which port?")
    presence.bind(shop.folder, "real", os.getpid())
    server.call("status")
    until(lambda: [each.subject for each in shop.messages.inbox("real")] == ["Which port?"])
    assert shop.messages.send("user:alice", own, "notification", "news").forwarded_to == "real"


def test_a_look_at_the_tools_registers_nobody(serve: Callable[..., Server], shop: Bus) -> None:
    server = serve()
    server.initialize("a health check")
    server.ask("tools/list")
    time.sleep(0.5)
    assert server.close() == 0
    assert shop.sessions.list_sessions(include_offline=True) == []


def test_a_client_with_hooks_is_given_time_to_name_its_session(serve: Callable[..., Server], shop: Bus) -> None:
    """Gemini CLI starts its servers, and looks at what they have, well before its session."""
    server = serve()
    server.initialize("gemini-cli-mcp-client")
    server.ask("resources/list")
    time.sleep(UNNAMED_S + 1)
    assert shop.sessions.list_sessions() == []
    presence.bind(shop.folder, "real", os.getpid())
    assert server.call("status")["session_id"] == "real"
    assert ids(shop) == {"real"}


def test_nobody_is_registered_before_the_client_has_said_who_it_is(serve: Callable[..., Server], shop: Bus) -> None:
    """An agent that another one started has that one's variables, too, until it says which it is."""
    server = serve(**CLAUDE)
    time.sleep(0.6)
    assert shop.sessions.list_sessions() == []
    server.initialize("gemini-cli-mcp-client")
    assert server.call("status")["session_id"] != "c1"


@pytest.mark.promise("S7")
def test_no_tool_takes_a_sender(serve: Callable[..., Server], shop: Bus) -> None:
    shop.sessions.register("bob", "bob", "codex")
    for profile in ("daily", "full"):
        server = serve("--profile", profile, **CLAUDE)
        server.initialize()
        for tool in server.ask("tools/list")["tools"]:
            assert "from_session" not in tool["inputSchema"]["properties"], tool["name"]
        server.kill()
    server = serve(**CLAUDE)
    server.initialize()
    for name in ("from_session", "session_id"):
        failed = server.call("send", to_session="user:alice", body="hi", **{name: "bob"})
        assert failed["code"] == "invalid_input"
    assert shop.messages.get_messages("user:alice") == []


def test_the_older_contract_takes_a_sessions_id_that_is_its_own(serve: Callable[..., Server], shop: Bus) -> None:
    shop.sessions.register("bob", "bob", "codex", current_task="read")
    server = serve("--profile", "engram", **CLAUDE)
    server.initialize()
    send_heartbeats = server.call("mem_session_heartbeat", session_id="c1", current_task="mend", status="working")
    assert [each["session_id"] for each in send_heartbeats["active_sessions"]] == ["bob"]
    assert server.call("mem_session_status", blob={"step": 1})["status_detail"] == {"step": 1}
    listed = server.call("mem_active_sessions", project="github.com/acme/shop")
    assert {each["session_id"] for each in listed["sessions"]} == {"bob", "c1"}
    assert server.call("mem_session_heartbeat", session_id="bob")["code"] == "refused"
    names = {tool["name"] for tool in server.ask("tools/list")["tools"]}
    daily = {tool["name"] for tool in serve(**CLAUDE).ask("tools/list", _meta=MODERN)["tools"]}
    assert names - daily == {"mem_session_heartbeat", "mem_session_status", "mem_active_sessions"}


# -- that it lives, and when it has ended -----------------------------------------------------------------------------


def test_a_session_is_there_without_the_agents_doing(serve: Callable[..., Server], shop: Bus) -> None:
    serve(**CLAUDE).initialize()
    until(lambda: status(shop, "c1") == "active")


@pytest.mark.promise("A5")
def test_it_ends_when_the_client_closes_its_input(serve: Callable[..., Server], shop: Bus) -> None:
    server = serve(**CLAUDE)
    server.initialize()
    server.call("status", status="working")
    assert server.close() == 0
    assert shop.sessions.get("c1").end_reason == CLOSED


@pytest.mark.promise("A5")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_in_good_order_when_it_is_asked_to(serve: Callable[..., Server], shop: Bus, number: int) -> None:
    server = serve(**CLAUDE)
    server.call("status")
    server.process.send_signal(number)
    assert server.wait() == 0
    assert shop.sessions.get("c1").end_reason == CLOSED


CLIENT = """
import json, os, subprocess, sys
server = subprocess.Popen([sys.executable, "-m", "hallway", "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
           "params": {"name": "status", "arguments": {}, "_meta": json.loads(sys.argv[1])}}
server.stdin.write(json.dumps(message).encode() + b"\\n")
server.stdin.flush()
server.stdout.readline()
print(server.pid, flush=True)
sys.stdin.read()
"""
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


def start_client(home: Path, **options: Any) -> tuple[subprocess.Popen[str], int]:
    """A client with a server, in a process group of their own."""
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, json.dumps(MODERN)],
        env=environment(home / "hallway", **CLAUDE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )
    assert client.stdout
    return client, int(client.stdout.readline())


@pytest.mark.promise("A5")
def test_a_killed_client_is_offline_at_once(home: Path, shop: Bus) -> None:
    client, _ = start_client(home)
    assert status(shop, "c1") == "active"
    client.kill()
    client.communicate()
    until(lambda: status(shop, "c1") == "offline", within_s=60)  # half its time to live


@pytest.mark.promise("A5")
def test_a_client_killed_with_its_server_is_offline_within_seconds(home: Path, shop: Bus) -> None:
    client, _ = start_client(home)
    os.killpg(client.pid, signal.SIGKILL)
    client.communicate()
    until(lambda: status(shop, "c1") == "offline", within_s=60)
    assert shop.sessions.get("c1").end_reason == presence.GONE


def test_the_server_goes_with_a_client_whose_pipe_somebody_else_holds_open(home: Path, shop: Bus) -> None:
    reader, writer = os.pipe()  # the server's input would stay open in this process
    script = (
        CLIENT.replace("stdin=subprocess.PIPE, stdout", f"stdin={reader}, stdout")
        .replace("server.stdin.write(", f"os.write({writer}, ")
        .replace("server.stdin.flush()", "")
    )
    client = subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(MODERN)],
        env=environment(home / "hallway", **CLAUDE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(reader, writer),
    )
    assert client.stdout
    server_pid = int(client.stdout.readline())
    client.kill()
    client.communicate()
    until(lambda: not presence.start_time(server_pid), within_s=60)
    assert status(shop, "c1") == "offline"
    os.close(reader)
    os.close(writer)


@pytest.mark.promise("A5")
def test_of_two_servers_of_a_session_the_last_one_ends_it(serve: Callable[..., Server], shop: Bus) -> None:
    first, second = serve(**CLAUDE), serve(**CLAUDE)
    assert first.call("status")["session_id"] == second.call("status")["session_id"] == "c1"
    first.close()
    assert status(shop, "c1") == "active"
    second.close()
    assert status(shop, "c1") == "offline"
    assert kinds(shop).count("session.registered") == 1


def test_a_killed_server_is_no_end_and_its_successor_no_second_session(serve: Callable[..., Server], shop: Bus) -> None:
    first = serve(**CLAUDE)
    first.call("status")
    first.kill()
    assert status(shop, "c1") == "active"  # its client, this process, is there
    second = serve(**CLAUDE)
    second.call("status")
    second.close()
    assert [session.session_id for session in shop.sessions.list_sessions(include_offline=True)] == ["c1"]


def test_a_server_started_again_resumes_its_session(serve: Callable[..., Server], shop: Bus) -> None:
    for _ in range(2):
        server = serve(**CLAUDE)
        server.initialize()
        until(lambda: status(shop, "c1") == "active")
        server.close()
    told = [kind for kind in kinds(shop) if kind.startswith("session.")]
    assert told == ["session.registered", "session.ended", "session.resumed", "session.ended"]


# -- beats, moved by hand ---------------------------------------------------------------------------------------------


@pytest.fixture
def binding(shop: Bus, monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionBinding]:
    monkeypatch.setenv("HALLWAY_SESSION", "r1")
    binding = SessionBinding(shop, Peer())
    yield binding
    binding.end_all()


def test_a_servers_heartbeat_keeps_the_session_alive_and_is_no_event(shop: Bus, binding: SessionBinding) -> None:
    binding.send_heartbeats()
    seen, told = shop.sessions.get("r1").last_seen, kinds(shop)
    assert binding.send_heartbeats() > time.monotonic() + HEARTBEAT_S - 5
    assert shop.sessions.get("r1").last_seen > seen
    assert kinds(shop) == told


def test_a_server_leaves_a_session_that_was_ended_on_purpose(shop: Bus, binding: SessionBinding) -> None:
    binding.send_heartbeats()
    shop.sessions.end("r1", "the user said good-bye")
    binding.send_heartbeats()
    assert shop.sessions.get("r1").end_reason == "the user said good-bye"


def test_a_servers_heartbeat_after_a_long_sleep_revives_the_session(shop: Bus, binding: SessionBinding) -> None:
    binding.send_heartbeats()
    shop.sessions.end("r1", "expired")
    binding.send_heartbeats()
    assert status(shop, "r1") == "active"


def test_a_servers_heartbeat_follows_the_client_to_its_next_session(shop: Bus, binding: SessionBinding) -> None:
    binding.send_heartbeats()
    shop.sessions.end("r1", "cleared")
    presence.bind(shop.folder, "r2", presence.client_process())
    binding.send_heartbeats()
    assert (status(shop, "r1"), status(shop, "r2")) == ("offline", "active")


# -- waking -----------------------------------------------------------------------------------------------------------


def test_an_inbox_that_waits_is_woken_by_a_message(serve: Callable[..., Server], shop: Bus) -> None:
    server = serve(**CLAUDE)
    server.call("status")
    shop.sessions.register("bob", "bob", "codex")
    took = []
    for number in range(5):
        request = server.send("tools/call", name="inbox", arguments={"wait_s": 30}, _meta=MODERN)
        assert server.ask("ping") == {} if number == 0 and server.initialize() else True  # it answers meanwhile
        time.sleep(0.1)
        began = time.monotonic()
        sent = shop.messages.send("bob", "c1", body=f"a question {number}")
        answer = server.receive()
        took.append(time.monotonic() - began)
        assert answer["id"] == request
        (message,) = answer["result"]["structuredContent"]["messages"]
        assert message["message_id"] == sent.message_id
        assert shop.messages.deliveries(sent.message_id)[0].state == "injected"
        assert server.call("ack", message_ids=[sent.message_id]) == {"acknowledged": 1}
    assert sorted(took)[2] < 0.5  # well below the second after which it would look by itself


def test_a_wait_ends_with_its_time_or_when_it_is_cancelled(serve: Callable[..., Server]) -> None:
    server = serve(**CLAUDE)
    assert server.call("inbox", wait_s=0.2) == {"messages": []}
    request = server.send("tools/call", name="inbox", arguments={"wait_s": 30}, _meta=MODERN)
    server.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request}})
    assert server.call("sessions")["you"] == "c1"  # the next answer is not the cancelled one's


def test_an_idle_server_sleeps(serve: Callable[..., Server], shop: Bus) -> None:
    server = serve(**CLAUDE)
    server.call("status")
    until(lambda: status(shop, "c1") == "active")
    time.sleep(1)  # past the announcement

    def switches() -> int:
        text = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"voluntary_ctxt_switches:\s+(\d+)", text)[0])

    before = switches()
    time.sleep(2)
    assert switches() - before <= 2


def test_a_bus_that_cannot_be_opened_leaves_the_agent_its_server(home: Path, serve: Callable[..., Server]) -> None:
    (home / "hallway").mkdir()
    (home / "hallway" / "bus.db").write_bytes(b"no database at all, but quite some text" * 100)
    server = serve(**CLAUDE)
    server.initialize()
    assert len(server.ask("tools/list")["tools"]) == 17
    failed = server.call("status")
    assert failed["code"] == "not_a_bus"
    assert failed["hint"]
    (home / "hallway" / "bus.db").unlink()
    assert server.call("status")["session_id"] == "c1"  # healed
    assert server.close() == 0


# -- on a bus behind a hub --------------------------------------------------------------------------------------------


def test_a_message_through_a_hub_wakes_the_server_of_its_session(
    home: Path, serve: Callable[..., Server], shop: Bus
) -> None:
    shop.sessions.register("bob", "bob", "codex")
    with HubProcess(home / "hallway") as hub:
        server = serve(**CLAUDE, HALLWAY_URL=hub.url)
        server.initialize()
        assert server.call("status")["session_id"] == "c1"
        took = []
        for number in range(3):
            server.send("tools/call", name="inbox", arguments={"wait_s": 30}, _meta=MODERN)
            time.sleep(0.3)
            began = time.monotonic()
            shop.messages.send("bob", "c1", body=f"a question {number}")
            (message,) = server.receive()["result"]["structuredContent"]["messages"]
            took.append(time.monotonic() - began)
            server.call("ack", message_ids=[message["message_id"]])
        assert min(took) < 0.5
        assert server.close() == 0
        assert status(shop, "c1") == "offline"


def test_a_hub_that_is_away_leaves_the_agent_its_server(home: Path, serve: Callable[..., Server], shop: Bus) -> None:
    server = serve(**CLAUDE, HALLWAY_URL="http://127.0.0.1:9")
    server.initialize()
    assert server.ask("tools/list")["tools"]
    assert server.call("status")["code"] == "hub_unreachable"
    assert server.close() == 0


@pytest.mark.promise("S15")
def test_a_session_that_lives_elsewhere_reads_where_it_writes(serve: Callable[..., Server], shop: Bus) -> None:
    """Its client was resumed in another folder, in which the server runs."""
    shop.sessions.register("c1", "alice's claude", "claude-code", project="github.com/acme/site")
    shop.tasks.offer("c1", "*", "of the site")
    shop.sessions.register("c2", "bob's", "codex")
    shop.tasks.offer("c2", "*", "of the shop")
    server = serve(**CLAUDE)
    server.initialize()
    assert server.call("remember", key="color", value="red")["version"] == 1
    assert server.call("recall", key="color")["value"] == "red"
    assert [each["key"] for each in server.call("search_memory", query="red")["entries"]] == ["color"]
    assert server.call("sessions")["project"] == "github.com/acme/site"
    assert [each["subject"] for each in server.call("tasks")["tasks"]] == ["of the site"]
    listed = server.ask("resources/list")["resources"]
    assert "color" in {each["name"] for each in listed}
    assert shop.memory.get_entry("color", project="github.com/acme/site").session_id == "c1"
