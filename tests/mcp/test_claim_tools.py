"""The tools `claim` and `release`: a refusal says what to do next, a wait is within what a client waits for a call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hallway
from hallway.bus.base import Bus
from hallway.mcp import tools
from mcp_server import Server
from support import until

SHOP = "github.com/acme/shop"


@pytest.fixture
def shop(home: Path) -> Iterator[Bus]:
    with hallway.connect(home / "hallway", project=SHOP) as bus:
        bus.sessions.register("bob", "bob's agent", "codex", name="checkout")
        yield bus


@pytest.fixture
def serve(home: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def serve(**environ: str) -> Server:
        servers.append(Server(home / "hallway", **{"CLAUDE_CODE_SESSION_ID": "c1", **environ}))
        return servers[-1]

    yield serve
    for server in servers:
        if server.process.returncode is None:
            server.kill()


def held_by(bus: Bus, session_id: str) -> list[list[str]]:
    return [each.paths for each in bus.claims.list_claims(session_id=session_id, state="granted")]


def test_an_agent_claims_and_releases(shop: Bus, serve: Callable[..., Server]) -> None:
    server = serve()
    granted = server.call("claim", paths=["src/api/"], intent="new handlers")
    assert (granted["state"], granted["paths"]) == ("granted", ["src/api/**"])
    server.call("claim", paths=["docs/a.md", "resource:staging"], intent="the tutorial")
    assert held_by(shop, "c1") == [["src/api/**"], ["docs/a.md", "resource:staging"]]
    assert server.call("release", paths=["src/api/"]) == {"released": ["src/api/**"]}
    assert held_by(shop, "c1") == [["docs/a.md", "resource:staging"]]
    assert server.call("release") == {"released": ["docs/a.md", "resource:staging"]}
    assert server.call("release") == {"released": []}
    missing = server.call("release", paths=["src/api/"])
    assert missing["code"] == "claim_not_found"
    assert "you have no claim of src/api/**" in missing["message"]


def test_a_refusal_names_the_holder_and_what_to_do_next(shop: Bus, serve: Callable[..., Server]) -> None:
    held = shop.claims.claim("bob", ["src/**"], "new handlers")
    refused = serve().call("claim", paths=["src/a.py"], intent="the cart")
    assert refused["code"] == "claim_refused"
    assert f"checkout holds src/** for 'new handlers' since {held.granted_at:%H:%M} UTC" in refused["message"]
    assert "30 min more" in refused["message"]
    assert "send, type request" in refused["hint"]
    assert "queue_s" in refused["hint"]
    assert [each["name"] for each in refused["holders"]] == ["checkout"]
    assert shop.claims.list_claims(session_id="c1") == []


def test_a_short_wait_is_within_the_call_and_ends_with_the_grant(shop: Bus, serve: Callable[..., Server]) -> None:
    held = shop.claims.claim("bob", ["src/**"])
    server, answers = serve(), []
    call = threading.Thread(
        target=lambda: answers.append(server.call("claim", paths=["src/a.py"], intent="the cart", queue_s=40))
    )
    call.start()
    until(lambda: shop.claims.list_claims(session_id="c1", state="waiting"))
    shop.claims.release("bob", held.claim_id)
    call.join(60)
    assert [each["state"] for each in answers] == ["granted"]
    assert shop.messages.inbox("c1") == []  # the answer said it


def test_a_short_wait_in_vain_ends_as_a_refusal_and_leaves_no_place(shop: Bus, serve: Callable[..., Server]) -> None:
    shop.claims.claim("bob", ["src/**"], "new handlers")
    refused = serve().call("claim", paths=["src/a.py"], intent="the cart", queue_s=1)
    assert refused["code"] == "claim_refused"
    assert shop.claims.list_claims(session_id="c1") == []


def test_a_long_wait_outlasts_the_call_and_ends_with_a_message(shop: Bus, serve: Callable[..., Server]) -> None:
    held = shop.claims.claim("bob", ["src/**"])
    waiting = serve().call("claim", paths=["src/a.py"], intent="the cart", queue_s=tools.MAX_CALL_WAIT_S + 1)
    assert waiting["state"] == "waiting"
    assert "message tells you" in waiting["next"]
    shop.claims.release("bob", held.claim_id)
    [told] = shop.messages.inbox("c1")
    assert (told.from_session, told.data["paths"]) == ("bob", ["src/a.py"])
    assert held_by(shop, "c1") == [["src/a.py"]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"paths": ["../x"], "intent": ""}, "`..`"),
        ({"paths": [], "intent": ""}, "no path"),
        ({"paths": "src", "intent": ""}, "list"),
        ({"paths": ["a"], "intent": "", "queue_s": "long"}, "queue_s"),
        ({"paths": ["a"], "intent": "", "wait_s": 5}, "wait_s"),
        ({"paths": ["/etc/passwd"], "intent": ""}, "outside of the repository"),
    ],
)
def test_what_cannot_be_claimed_is_an_answer(
    shop: Bus, serve: Callable[..., Server], arguments: dict[str, object], says: str
) -> None:
    refused = serve().call("claim", **arguments)
    assert refused["code"] == "invalid_input"
    assert says in refused["message"]


def test_an_absolute_path_is_the_repositorys(
    shop: Bus, serve: Callable[..., Server], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = home / "shop"
    for made in ("objects", "refs/heads"):
        (repository / ".git" / made).mkdir(parents=True)
    (repository / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (repository / ".git" / "config").write_text("[core]\n\tignorecase = true\n")
    monkeypatch.chdir(repository)
    server = serve()
    assert server.call("claim", paths=[os.fspath(repository / "src" / "A.py")], intent="x")["paths"] == ["src/A.py"]
    check = shop.claims.check_edit("bob", ["src/a.py"])
    assert [each.session_id for each in check.claims] == ["c1"]  # the server has said that case does not count
