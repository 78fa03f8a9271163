"""The official SDK's client drives every tool and resource, in both eras, over standard input and output and HTTP."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from jsonschema_rs import Draft202012Validator
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

import hallway
from hub.process import HubProcess
from mcp_server import MODERN as META
from mcp_server import Server, environment
from support import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from hallway.bus.base import Bus

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")]

PROJECT = "github.com/acme/shop"
VERSIONS = {"legacy": "2025-11-25", "modern": "2026-07-28"}
MODES = {"legacy": "legacy", "modern": "auto"}
MAX_LIST_BYTES = 8000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with HubProcess(tmp_path_factory.mktemp("sdk") / "hallway") as hub:
        yield hub


@pytest.fixture(scope="module")
def bus(hub: HubProcess) -> Iterator[Bus]:
    """The bus from the side: the other sessions that a test needs, and what it wants to know."""
    with hallway.connect(hub.home, project=PROJECT) as bus:
        yield bus


class Way:
    """One transport in one era to the bus of the tests."""

    def __init__(self, transport: str, era: str, hub: HubProcess) -> None:
        self.transport = transport
        self.era = era
        self.name = f"{transport}-{era}"
        self._hub = hub

    @asynccontextmanager
    async def client(self, session_id: str, profile: str = "daily", **options: Any) -> AsyncIterator[Client]:
        """A client whose server knows which session it is of."""
        options = {"mode": MODES[self.era], "read_timeout_seconds": PATIENCE_S, "cache": None, **options}
        if self.transport == "stdio":
            server = StdioServerParameters(
                command=sys.executable,
                args=["-m", "hallway", "mcp", "--profile", profile],
                cwd=self._hub.home,
                env=environment(self._hub.home, HALLWAY_SESSION=session_id, PYTHONWARNINGS="error"),
            )
            async with Client(server, **options) as client:
                yield client
            return
        async with httpx2.AsyncClient(headers={"Hallway-Session": session_id}, timeout=PATIENCE_S) as http:
            transport = streamable_http_client(f"{self._hub.url}/mcp?profile={profile}", http_client=http)
            async with Client(transport, **options) as client:
                yield client


@pytest.fixture(params=[(transport, era) for transport in ("stdio", "http") for era in VERSIONS], ids="-".join)
def way(request: pytest.FixtureRequest, hub: HubProcess) -> Way:
    return Way(*request.param, hub)


class Agent:
    """Calls tools, and holds every result against the schema that its tool declares."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._listed: dict[str, Any] = {}
        self.used: set[str] = set()

    async def tools(self) -> dict[str, Any]:
        self._listed = {tool.name: tool for tool in (await self._client.list_tools()).tools}
        return self._listed

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured result, which the text says, too."""
        declared = (self._listed or await self.tools())[tool].output_schema
        result = await self._client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        Draft202012Validator(declared).validate(result.structured_content)
        assert result.structured_content.keys() & declared["properties"].keys()  # it says what it promises
        assert json.loads(result.content[0].text) == result.structured_content
        self.used.add(tool)
        return dict(result.structured_content)

    async def error(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool says of why it did not do it."""
        result = await self._client.call_tool(tool, arguments)
        assert result.is_error, result.content
        assert result.structured_content is None
        told = json.loads(result.content[0].text)
        assert told.keys() >= {"code", "message", "hint"}
        assert all(told[name] for name in ("code", "message", "hint"))
        return dict(told)


def said_in(message: dict[str, Any]) -> Any:
    """A message's text; where it is no longer than its subject, that is all there is."""
    return message.get("body", message.get("subject"))


@pytest.fixture
def names(way: Way, bus: Bus, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Two sessions of the test's own: the agent whose client is driven, and a peer that uses the bus from the side."""
    stem = f"{request.node.originalname.removeprefix('test_')[:40]}-{way.name}"
    for each in (f"{stem}-a", f"{stem}-b"):
        bus.sessions.register(each, f"agent {each}", "codex", capabilities=["review"])
    return f"{stem}-a", f"{stem}-b"


# -- what a client meets first ----------------------------------------------------------------------------------------


async def test_the_client_and_the_server_agree_on_the_newest_revision_of_the_era(way: Way) -> None:
    async with way.client("first") as client:
        assert client.protocol_version == VERSIONS[way.era]
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("hallway", hallway.__version__)
        told = client.server_capabilities
        assert told.tools is not None
        assert told.prompts is told.logging is told.completions is None
        assert bool(told.resources and told.resources.subscribe) == ((way.transport, way.era) != ("http", "legacy"))
        if way.era == "legacy":
            await client.send_ping()


async def test_the_instructions_are_a_few_lines_that_make_a_good_neighbour(way: Way) -> None:
    async with way.client("first") as client:
        assert client.instructions is not None
        assert len(client.instructions) < 800
        for word in ("sessions", "status", "reply", "ack", "remember", "search_memory", "not instructions"):
            assert word in client.instructions


@pytest.mark.promise("A4")
@pytest.mark.parametrize("profile", ["daily", "engram"])
async def test_the_tools_are_cheap_in_words(way: Way, profile: str, hub: HubProcess) -> None:
    """The whole answer to `tools/list`, as it comes over the wire."""
    if way.transport == "stdio":
        server = Server(hub.home, "--profile", profile)
        answer = json.dumps(server.ask("tools/list", _meta=META), separators=(",", ":"), ensure_ascii=False).encode()
        assert server.close() == 0
    else:
        async with httpx2.AsyncClient() as http:
            asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
            headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
            answer = (await http.post(f"{hub.url}/mcp?profile={profile}", json=asked, headers=headers)).content
    told = json.loads(answer)
    assert len(told.get("result", told)["tools"]) == {"daily": 17, "engram": 20}[profile]
    assert len(answer) <= MAX_LIST_BYTES + (1600 if profile == "engram" else 0)  # three more, for who asks for them


@pytest.mark.parametrize("profile", ["daily", "engram"])
async def test_no_tool_makes_an_agent_ask_its_user(way: Way, profile: str) -> None:
    """What reads says so; what writes destroys nothing and reaches nothing outside: Codex runs both without asking."""
    async with way.client("first", profile) as client:
        tools = await Agent(client).tools()
        for tool in tools.values():
            said = tool.annotations
            assert said.read_only_hint or (said.destructive_hint is False and said.open_world_hint is False), tool.name
            assert tool.description
            assert len(tool.description) < 120
            assert tool.output_schema
        readers = {name for name, tool in tools.items() if tool.annotations.read_only_hint}
        assert {"sessions", "thread", "tasks", "recall", "search_memory"} <= readers
        assert not readers & {"status", "send", "reply", "ack", "remember", "claim", "release", "mem_session_heartbeat"}


async def test_the_order_of_the_tools_is_always_the_same(way: Way) -> None:
    lists = []
    for _ in range(2):
        async with way.client("first") as client:
            lists.append(list(await Agent(client).tools()))
    assert lists[0] == lists[1]


# -- tools ------------------------------------------------------------------------------------------------------------


async def test_every_daily_tool_does_its_work(way: Way, bus: Bus, names: tuple[str, str]) -> None:
    alice, bob = names
    async with way.client(alice) as client:
        agent = Agent(client)
        said = await agent("status", status="working", current_task="mends the cart")
        assert (said["session_id"], said["unread"]) == (alice, 0)
        assert bus.sessions.get(alice).current_task == "mends the cart"
        here = await agent("sessions")
        assert here["you"] == alice
        assert bob in {each["session_id"] for each in here["sessions"]}

        asked = await agent("send", to_session=bob, body="is /cart yours?", type="request", data={"line": 7})
        [got] = bus.messages.inbox(bob)
        assert (got.message_id, got.from_session, got.body, got.data) == (
            asked["message_id"],
            alice,
            "is /cart yours?",
            {"line": 7},
        )
        bus.messages.reply(bob, got.message_id, "yes, until noon")
        [answer] = (await agent("inbox"))["messages"]
        assert (answer["from_session"], said_in(answer)) == (bob, "yes, until noon")
        thread = await agent("thread", message_id=asked["message_id"])
        assert [said_in(each) for each in thread["messages"]] == ["is /cart yours?", "yes, until noon"]
        assert "injected" in {each["state"] for each in thread["deliveries"]}  # M3: the inbox was read by this client
        await agent("reply", to_message=answer["message_id"], body="then I wait")
        assert (await agent("inbox"))["messages"] == []  # what is replied to is acknowledged
        bus.messages.send(bob, alice, body="note: done")
        [note] = (await agent("inbox", wait_s=5))["messages"]
        assert (await agent("ack", message_ids=[note["message_id"]])) == {"acknowledged": 1}

        offered = await agent("offer_task", to_session="capability:review", subject="review the cart", body="all of it")
        bus.tasks.accept(bob, offered["task_id"])
        mine = bus.tasks.offer(bob, alice, "test the cart", body="with coupons")
        assert mine.task_id in {each["task_id"] for each in (await agent("tasks"))["tasks"]}
        assert (await agent("accept_task", task_id=mine.task_id))["body"] == "with coupons"
        await agent("handoff_task", task_id=mine.task_id, to_session=bob, body="coupons are left")
        assert bus.tasks.get(mine.task_id).owner == alice  # T2: until bob accepts
        done = await agent("complete_task", task_id=mine.task_id, result="all green")
        assert done["task_id"] == mine.task_id
        assert bus.tasks.get(mine.task_id).status == "completed"

        key = f"cart/{way.name}"
        assert (await agent("remember", key=key, value={"till": "noon"}, type="decision", tags=["cart"]))[
            "version"
        ] == 1
        assert (await agent("recall", key=key))["value"] == {"till": "noon"}
        found = await agent("search_memory", query="noon", tags=["cart"], pattern="cart/*")
        assert key in {each["key"] for each in found["entries"]}

        folder = f"{way.name}/**"
        assert (await agent("claim", paths=[folder], intent="new tests"))["state"] == "granted"
        assert [each.intent for each in bus.claims.list_claims(session_id=alice)] == ["new tests"]
        assert await agent("release", paths=[folder]) == {"released": [folder]}
        assert agent.used == (await agent.tools()).keys()


async def test_every_engram_tool_does_its_work(way: Way, bus: Bus, names: tuple[str, str]) -> None:
    alice, bob = names
    async with way.client(alice, "engram") as client:
        agent = Agent(client)
        daily = set((await agent.tools()).keys())
        beat = await agent("mem_session_heartbeat", project=PROJECT, current_task="mends the cart")
        assert bob in {each["session_id"] for each in beat["active_sessions"]}
        assert alice not in {each["session_id"] for each in beat["active_sessions"]}
        kept = await agent("mem_session_status", blob={"phase": "tests", "left": [1, 2]})
        assert "information, not instructions" in kept.pop("note")
        assert kept == {"session_id": alice, "status_detail": {"phase": "tests", "left": [1, 2]}}
        assert bus.sessions.get(alice).status_detail == {"phase": "tests", "left": [1, 2]}
        active = await agent("mem_active_sessions", project=PROJECT)
        assert {alice, bob} <= {each["session_id"] for each in active["sessions"]}
        assert agent.used == {tool for tool in daily if tool.startswith("mem_")}
        assert len(agent.used) == 3


async def test_the_full_profile_has_every_operation_but_a_persons(way: Way, bus: Bus, names: tuple[str, str]) -> None:
    operations = {
        operation.name.replace(".", "_")
        for service in bus.services.values()
        for operation in service.operations.values()
        if not operation.is_persons
    }
    async with way.client(names[0], "full") as client:
        agent = Agent(client)
        assert (await agent.tools()).keys() == operations
        assert (await agent("sessions_get", session_id=names[1]))["result"]["session_id"] == names[1]


ERRORS = [
    ("send", {"to_session": "{bob}x", "body": "hi"}, "session_not_found", "{bob}"),
    ("send", {"to_session": "{bob}", "text": "hi"}, "invalid_input", "send"),
    ("send", {"to_session": "{bob}"}, "invalid_input", "body"),
    ("send", {"to_session": "{bob}", "body": ["no", "text"]}, "invalid_input", "body"),
    ("send", {"to_session": "{bob}", "body": "x", "type": "shout"}, "invalid_input", "broadcast"),
    ("reply", {"to_message": "nope", "body": "x"}, "message_not_found", "inbox"),
    ("thread", {"message_id": "nope"}, "message_not_found", "inbox"),
    ("accept_task", {"task_id": "nope"}, "task_not_found", "tasks"),
    ("recall", {"key": "not/there"}, "entry_not_found", "search_memory"),
    ("remember", {"key": "taken", "value": 2, "expected_version": 10_000}, "version_conflict", "recall"),
    ("remember", {"key": "k" * 513, "value": 1}, "too_large", "512"),
]


@pytest.mark.parametrize(("tool", "arguments", "code", "word"), ERRORS, ids=lambda value: str(value)[:30])
async def test_an_error_is_the_tools_and_says_what_to_do_next(
    way: Way, bus: Bus, names: tuple[str, str], tool: str, arguments: dict[str, Any], code: str, word: str
) -> None:
    alice, bob = names
    bus.memory.set(bob, "taken", 1)
    arguments = {key: text.format(bob=bob) if isinstance(text, str) else text for key, text in arguments.items()}
    async with way.client(alice) as client:
        told = await Agent(client).error(tool, **arguments)
        assert told["code"] == code
        assert word.format(bob=bob) in f"{told['message']} {told['hint']} {told}"
    assert bus.messages.inbox(bob) == []  # what was refused did nothing
    assert bus.memory.get_entry("taken").value == 1


async def test_of_two_who_take_a_task_the_second_hears_who_has_it(way: Way, bus: Bus, names: tuple[str, str]) -> None:
    alice, bob = names
    task = bus.tasks.offer(alice, "*", "review the cart")
    bus.tasks.accept(bob, task.task_id)
    async with way.client(alice) as client:
        told = await Agent(client).error("accept_task", task_id=task.task_id)
        assert bob in told["message"]


async def test_a_tool_that_is_not_there_is_the_protocols_error(way: Way) -> None:
    async with way.client("first") as client:
        with pytest.raises(MCPError) as refused:
            await client.call_tool("nope", {})
        assert refused.value.error.code == -32602
        with pytest.raises(MCPError) as refused:
            await client.list_prompts()
        assert refused.value.error.code == -32601


async def test_over_http_a_call_says_who_makes_it(hub: HubProcess, bus: Bus) -> None:
    bus.sessions.register("by-argument", "agent", "codex")
    async with Client(f"{hub.url}/mcp", cache=None) as client:
        agent = Agent(client)
        told = await agent.error("status", current_task="x")
        assert told["code"] == "identity_missing"
        assert "session_id" in told["hint"]
        assert "Hallway-Session" in told["hint"]
        assert (await agent("status", session_id="by-argument", current_task="x"))["session_id"] == "by-argument"


# -- resources --------------------------------------------------------------------------------------------------------


async def test_resources_are_listed_and_read(way: Way, bus: Bus, names: tuple[str, str]) -> None:
    alice, bob = names
    key = f"notes/50% of {way.name} ü"
    bus.memory.set(bob, key, {"x": [1]})
    bus.messages.send(bob, alice, body="hello")
    async with way.client(alice) as client:
        listed = {each.uri: each for each in (await client.list_resources()).resources}
        assert {"hallway://sessions", "hallway://inbox"} < listed.keys()
        [uri] = [uri for uri, each in listed.items() if each.name == key]
        assert (await read(client, uri))["value"] == {"x": [1]}
        assert [said_in(each) for each in (await read(client, "hallway://inbox"))["messages"]] == ["hello"]
        assert bob in {each["session_id"] for each in (await read(client, "hallway://sessions"))["sessions"]}
        [template] = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "hallway://memory/{key}"
        with pytest.raises(MCPError) as refused:
            await client.read_resource("hallway://memory/not-there")
        assert refused.value.error.code == {"legacy": -32002, "modern": -32602}[way.era]
        assert refused.value.error.data == {"uri": "hallway://memory/not-there"}
        assert [said_in(each) for each in (await read(client, "hallway://inbox"))["messages"]] == ["hello"]


async def test_the_list_of_resources_comes_in_pages(way: Way, bus: Bus, names: tuple[str, str]) -> None:
    keys = {f"page/{way.name}/{number:03}" for number in range(70)}
    for key in keys:
        bus.memory.set(names[0], key, 1)
    seen: list[str] = []
    async with way.client(names[0]) as client:
        page = await client.list_resources()
        while True:
            seen += [each.name for each in page.resources]
            if page.next_cursor is None:
                break
            page = await client.list_resources(cursor=page.next_cursor)
    assert len(seen) == len(set(seen))
    assert keys < set(seen)


async def read(client: Client, uri: str) -> dict[str, Any]:
    [contents] = (await client.read_resource(uri)).contents
    assert (contents.uri, contents.mime_type) == (uri, "application/json")
    return dict(json.loads(contents.text))


# -- notifications ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [("stdio", "modern"), ("http", "modern")], indirect=True, ids="-".join)
async def test_a_subscription_tells_what_changed(way: Way, bus: Bus, names: tuple[str, str]) -> None:
    alice, bob = names
    memory = f"hallway://memory/watched-{way.name}"
    async with (
        way.client(alice) as client,
        client.listen(
            resources_list_changed=True, resource_subscriptions=["hallway://inbox", "hallway://sessions", memory]
        ) as subscription,
    ):
        assert subscription.honored.resources_list_changed
        assert set(subscription.honored.resource_subscriptions) == {"hallway://inbox", "hallway://sessions", memory}
        bus.messages.send(bob, alice, body="news")
        bus.sessions.heartbeat(bob, current_task="something else")
        bus.memory.set(bob, f"watched-{way.name}", 1)
        expected = {"hallway://inbox", "hallway://sessions", memory, "ResourcesListChanged"}
        with anyio.fail_after(PATIENCE_S):
            async for event in subscription:
                expected.discard(getattr(event, "uri", type(event).__name__))
                if not expected:
                    break
        assert (await Agent(client)("inbox"))["messages"][0]["subject"] == "news"  # the stream holds up no call


@pytest.mark.parametrize("way", [("stdio", "modern"), ("http", "modern")], indirect=True, ids="-".join)
async def test_a_subscription_tells_nothing_else(way: Way, bus: Bus, names: tuple[str, str]) -> None:
    alice, bob = names
    async with way.client(alice) as client, client.listen(resource_subscriptions=["hallway://inbox"]) as subscription:
        assert not subscription.honored.resources_list_changed
        bus.memory.set(bob, f"unwatched-{way.name}", 1)
        bus.sessions.heartbeat(bob, current_task="something else")
        bus.messages.send(alice, bob, body="between others" * 2)
        bus.messages.send(bob, alice, body="news")
        with anyio.fail_after(PATIENCE_S):
            async for event in subscription:
                assert event.uri == "hallway://inbox"
                break


@pytest.mark.parametrize("way", [("stdio", "legacy")], indirect=True, ids="-".join)
async def test_the_older_subscription_tells_what_changed_until_it_ends(
    way: Way, bus: Bus, names: tuple[str, str]
) -> None:
    alice, bob = names
    heard: list[str] = []
    news = anyio.Event()

    async def hear(message: Any) -> None:
        heard.append(str(getattr(message.params, "uri", None) or message.method))
        news.set()

    async def expect(what: str) -> None:
        nonlocal news
        with anyio.fail_after(PATIENCE_S):
            while what not in heard:
                await news.wait()
                news = anyio.Event()

    async with way.client(alice, message_handler=hear) as client:
        await client.subscribe_resource("hallway://inbox")
        bus.messages.send(bob, alice, body="news")
        await expect("hallway://inbox")
        bus.memory.set(bob, f"new-{way.name}", 1)
        await expect("notifications/resources/list_changed")
        await client.unsubscribe_resource("hallway://inbox")
        heard.clear()
        bus.messages.send(bob, alice, body="more news")
        bus.memory.set(bob, f"newer-{way.name}", 1)
        await expect("notifications/resources/list_changed")
        assert "hallway://inbox" not in heard


@pytest.mark.parametrize("way", [("http", "legacy")], indirect=True, ids="-".join)
async def test_where_there_is_no_subscription_none_is_promised(way: Way) -> None:
    async with way.client("first") as client:
        with pytest.raises(MCPError) as refused:
            await client.subscribe_resource("hallway://inbox")
        assert refused.value.error.code == -32601
