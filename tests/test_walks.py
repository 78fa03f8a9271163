"""The three walks through the code in docs/architecture.md, held to what real runs call.

A walk is the chain of files from an entry into hallway to the service's method. Each run happens in a process of its
own, with a profile function that notes who called whom.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import hallway

ROOT = Path(__file__).parents[1]
SOURCE = Path(hallway.__file__).parent
Chains = dict[str, list[list[str]]]
MAX_FILES = 6
PATIENCE_S = 120

# Notes the stack, as files of the package, whenever a function of one of the WANTED files is called.
TRACE = """
import os, sys, threading
SOURCE, OUT, WANTED = sys.argv[1] + os.sep, sys.argv[2], sys.argv[3].split(",")
del sys.argv[1:4]
seen = set()
def note(frame, event, _):
    if event != "call" or not frame.f_code.co_filename.startswith(SOURCE):
        return
    name = frame.f_code.co_filename[len(SOURCE):] + ":" + frame.f_code.co_name
    if name in WANTED:
        files = []
        while frame:
            path = frame.f_code.co_filename
            if path.startswith(SOURCE) and files[-1:] != [path[len(SOURCE):]]:
                files.append(path[len(SOURCE):])
            frame = frame.f_back
        seen.add(name + "=" + ">".join(reversed(files)))
def leave(status=0, leave=os._exit):
    sys.setprofile(None)
    with open(OUT, "w") as out:
        out.write("\\n".join(sorted(seen)))
    leave(status)
os._exit = leave
def begin():
    threading.setprofile(note)
    sys.setprofile(note)
"""

HOOK = """
import runpy
begin()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

HUB = """
import http.client, json, time
from hallway.__main__ import main
def beat():
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[3]), timeout=60)
            body = json.dumps({"current_task": "mend the login form"})
            connection.request("POST", "/sessions/alice/heartbeat", body, {"Content-Type": "application/json"})
            connection.getresponse().read()
            break
        except OSError:
            time.sleep(0.1)
    leave()
threading.Thread(target=beat).start()
begin()
main()
"""

MCP = """
from hallway.mcp.stdio import serve
begin()
serve()
leave()
"""


def documented(title: str) -> list[str]:
    """The files of a walk as docs/architecture.md lists them: the paths before its first full stop."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = re.search(rf"- \*\*{title}\*\*: (.*?)\.(?=\s)", text, re.DOTALL)
    assert found, title
    return re.findall(r"`([\w/]+\.py)`", found[1])


def traced(tmp_path: Path, script: str, wanted: list[str], *arguments: str, given: str = "") -> Chains:
    """Run a script and return, for each wanted function, the chains of files that led to it."""
    out = tmp_path / "trace"
    environ = {**os.environ, "HALLWAY_HOME": str(tmp_path / "bus"), "HALLWAY_HOOK_BUDGET_MS": "60000"}
    command = [sys.executable, "-c", TRACE + script, str(SOURCE), str(out), ",".join(wanted), *arguments]
    subprocess.run(
        command, input=given, text=True, capture_output=True, env=environ, timeout=PATIENCE_S, check=True, cwd=tmp_path
    )
    chains: Chains = {name: [] for name in wanted}
    for line in out.read_text().splitlines():
        name, _, chain = line.partition("=")
        chains[name].append(chain.split(">"))
    return chains


def only(chains: list[list[str]], entry: str) -> list[str]:
    """The shortest chain through an entry, from there on."""
    found = sorted((chain[chain.index(entry) :] for chain in chains if entry in chain), key=len)
    assert found, (entry, chains)
    return found[0]


def hold(walk: list[str], title: str) -> None:
    assert walk == documented(title)
    assert len(walk) <= MAX_FILES
    assert len(set(walk)) == len(walk), "the walk comes back to a file"


BEAT = "services/sessions.py:heartbeat"


def test_a_hooks_payload(tmp_path: Path) -> None:
    payload = {"hook_event_name": "UserPromptSubmit", "session_id": "alice", "cwd": str(tmp_path), "prompt": "go on"}
    bootstrap = str(SOURCE / "agents" / "hook" / "bootstrap.py")
    chains = traced(tmp_path, HOOK, [BEAT], bootstrap, "claude-code", given=json.dumps(payload))
    hold(only(chains[BEAT], "agents/hook/bootstrap.py"), "A hook's payload")


def test_an_http_heartbeat(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    queued = "hub/workers/writer.py:run"
    chains = traced(tmp_path, HUB, [queued, BEAT], "serve", "--port", port, "--open-to-local-users")
    before = only(chains[queued], "hub/auth/middleware.py")
    hold([*before, *only(chains[BEAT], before[-1])[1:]], "An HTTP heartbeat")


def test_an_mcp_call(tmp_path: Path) -> None:
    client = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "claude-code", "version": "1"},
    }
    asked = [
        ("initialize", client),
        (
            "tools/call",
            {"name": "status", "arguments": {"current_task": "mend the login form"}, "_meta": {"sessionId": "alice"}},
        ),
    ]
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": at, "method": name, "params": said})
        for at, (name, said) in enumerate(asked)
    ]
    called, answered = "mcp/tools.py:call", "mcp/results.py:heartbeat"
    chains = traced(tmp_path, MCP, [called, BEAT, answered], given="\n".join(lines) + "\n")
    asked_for, run = (only(chains[name], "mcp/stdio.py") for name in (called, BEAT))
    shown = only(chains[answered], "mcp/stdio.py")
    assert shown[:-1] == asked_for, "the result comes back to the tool that asked"
    hold([*asked_for, *run[1:], shown[-1]], "An MCP call")
