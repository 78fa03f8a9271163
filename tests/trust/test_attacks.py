"""Guessing tokens, measuring answers, reading files, making requests up: none of it gets anybody anywhere."""

from __future__ import annotations

import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given, settings
from schemathesis import Case, GenerationMode, openapi

import hallway
from hallway.hub.auth.token_cache import TokenCache
from hallway.services.tokens import PREFIX
from hub.client import Client
from hub.test_schemathesis import CHECKS, SPEED
from support import sampled
from trust.conftest import Guarded
from trust.world import OPERATIONS, SHOP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GUESSES = 10_000
MAX_SLOWER = 1.5
GUESSER = f"""
import asyncio, sys
port, each = int(sys.argv[1]), {GUESSES} // 200
request = b"GET /me HTTP/1.1\\r\\nHost: localhost\\r\\nAuthorization: Bearer hallway_%043d\\r\\n\\r\\n"

async def guess(number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for at in range(each):
        writer.write(request % (number * each + at))
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        assert b" 401 " in head, head
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
    writer.close()

async def main():
    print("ready", flush=True)
    await asyncio.gather(*map(guess, range(200)))

asyncio.run(main())
"""


# -- guessing ---------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P3")
def test_how_long_a_wrong_token_takes_does_not_tell_how_much_of_it_is_right() -> None:
    """Medians of many interleaved batches, generously: what a comparison byte by byte would tell is far more."""
    right = PREFIX + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    token_cache = TokenCache.__new__(TokenCache)
    digest = sha256(right.encode()).hexdigest()
    token_cache._grants = {digest: type("Grant", (), {"digest": digest, "good_until": math.inf})()}  # type: ignore[dict-item]
    guesses = {"nothing": PREFIX + "!" * 43, "all but the last": right[:-1] + "!"}
    took: dict[str, list[float]] = {name: [] for name in guesses}
    for _ in range(400):
        for name, guess in guesses.items():
            token = guess.encode()
            began = time.perf_counter()
            for _ in range(50):
                token_cache._find(token_cache._grants, sha256(token).hexdigest())
            took[name].append(time.perf_counter() - began)
    ratio = statistics.median(took["all but the last"]) / statistics.median(took["nothing"])
    assert 0.8 < ratio < 1.25
    assert token_cache._find(token_cache._grants, digest) is not None


@pytest.mark.promise("P3")
@pytest.mark.slow
def test_ten_thousand_wrong_tokens_do_not_slow_a_valid_one(guarded: Guarded) -> None:
    with guarded.client("alice") as client:
        client.post("/sessions/guessed/heartbeat", {"project": SHOP})
        ratios = []
        for _ in range(3):  # another program may take the machine; that is not the guesser's doing
            ratios.append(slowed(client, guarded.hub.port))
            if ratios[-1] <= MAX_SLOWER:
                return
        raise AssertionError(ratios)


def slowed(client: Client, port: int) -> float:
    """How many times as long a heartbeat takes while somebody guesses."""
    before = heartbeats(client, lambda count: count >= 300)
    guesser = subprocess.Popen([sys.executable, "-c", GUESSER, str(port)], stdout=subprocess.PIPE)
    try:
        assert guesser.stdout
        assert guesser.stdout.readline() == b"ready\n"
        during = heartbeats(client, lambda count: guesser.poll() is not None)
        assert guesser.returncode == 0
    finally:
        guesser.kill()
        guesser.communicate()
    after = heartbeats(client, lambda count: count >= 300)
    return during / max(before, after)


def heartbeats(client: Client, is_enough: Callable[[int], bool]) -> float:
    """The median of a heartbeat's time."""
    took: list[float] = []
    while not is_enough(len(took)):
        began = time.perf_counter()
        assert client._exchange("POST", "/sessions/guessed/heartbeat").status == 200
        took.append(time.perf_counter() - began)
        time.sleep(0.002)
    return statistics.median(took)


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_cannot_read_the_bus() -> None:
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        home = folder / "hallway"
        with hallway.connect(home) as bus:
            bus.sessions.register("alice", "a", "b")
            assert home.stat().st_mode & 0o777 == 0o700
            files = [each for each in home.rglob("*") if each.is_file()]
            assert home / "bus.db" in files
            assert {each.stat().st_mode & 0o777 for each in files} == {0o600}
            for path in (home / "bus.db", home):
                command = ["cat" if path.is_file() else "ls", str(path)]
                done = subprocess.run(
                    command, user=65534, group=65534, extra_groups=[], capture_output=True, check=False
                )
                assert (done.returncode != 0, done.stdout) == (True, b"")
            home.chmod(0o755)  # even where somebody opened the folder
            for path in files:
                done = subprocess.run(
                    ["cat", str(path)], user=65534, group=65534, extra_groups=[], capture_output=True, check=False
                )
                assert (done.returncode != 0, done.stdout) == (True, b""), path
    finally:
        shutil.rmtree(folder)


# -- made-up requests -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema(guarded: Guarded) -> Any:
    with guarded.client("alice") as client:
        document = client.get("/openapi.json").json
    described = document["paths"]["/events"]["get"]
    described["parameters"] = [each for each in described["parameters"] if each["in"] != "header"]
    schema = openapi.from_dict(document)
    schema.config.base_url = guarded.hub.url
    return schema


@pytest.fixture(scope="module")
def sessions(guarded: Guarded) -> Iterator[dict[str, requests.Session]]:
    found = {name: requests.Session() for name in ("alice", "nobody")}
    found["alice"].headers["Authorization"] = f"Bearer {guarded.tokens['alice']}"
    yield found
    for each in found.values():
        each.close()


@pytest.mark.parametrize("name", sampled(OPERATIONS))
def test_made_up_requests_get_what_is_declared_with_a_token_and_nothing_without(
    schema: Any, sessions: dict[str, requests.Session], name: str
) -> None:
    operation = schema.find_operation_by_id(name)

    @settings(SPEED, max_examples=4)
    @given(operation.as_strategy(GenerationMode.POSITIVE))
    def holds(case: Case) -> None:
        if case.query and "wait_s" in case.query:
            case.query["wait_s"] = 0
        case.call_and_validate(session=sessions["alice"], checks=CHECKS)
        assert case.call(session=sessions["nobody"]).status_code == 401

    holds()
