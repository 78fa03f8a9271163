"""The tutorial, typed into a fresh home: what it tells people to type works, and they see what it promises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from agents.conftest import needs
from agents.machine import TIMEOUT_S, Machine, Terminal
from agents.model import Model, Reply, Request
from agents.programs import Program
from release.distributions import Distributions
from support import until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(
    r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```\n(?:\n(Choose \*\*(.+?)\*\*))?', re.DOTALL | re.MULTILINE
)
CLOSE = "Close both terminals"
STOP_DAEMON = "codex app-server daemon stop"
READS = ("hallway list", "hallway task list", "cat ")
SETTLED_S = 2.0
DROPPED_S = 15.0  # a key without an effect for so long was dropped
CURSOR = re.compile(r"^\W*[›❯]\s*(.+)$", re.MULTILINE)

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Step(NamedTuple):
    """A block of the page: what it is, its lines, and the choice that the text after it tells to make."""

    title: str
    lines: list[str]
    choice: str


def steps() -> list[Step]:
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return [Step(title or kind, text.splitlines(), choice) for kind, title, text, _, choice in found]


def missing(promised: list[str], shown: str) -> list[str]:
    """The promised lines that are not shown; `…` stands for anything in a line, and alone for any lines."""
    patterns = {line: ".*".join(map(re.escape, re.split(r"\s*…\s*", line.strip()))) for line in promised}
    return [line for line, pattern in patterns.items() if not re.search(pattern, shown)]


class Person:
    """Whoever follows the tutorial: three terminals in a home in which neither client has run."""

    def __init__(self, machine: Machine, models: dict[str, Model]) -> None:
        self.machine = machine
        self.models = models
        self.folder = ROOT  # a clone of the repository
        self.programs = {"Codex": needs("codex"), "Claude Code": needs("claude-code")}
        self.terminals: dict[str, Terminal] = {}
        machine.repository = machine.home / "shop"
        venv = machine.home / "venv"
        subprocess.run([sys.executable, "-m", "venv", venv], check=True, timeout=TIMEOUT_S)
        offline = Distributions(Path(os.environ["HALLWAY_TEST_PACKAGES"])).offline()
        machine.variables |= {name: value for name, value in offline.items() if name.startswith("PIP_")}
        for program in self.programs.values():
            program.prepare(machine.home, machine.repository, models[program.name].url)
        self.distrusts()
        paths = [str(venv / "bin")] + [machine.environ(program)["PATH"] for program in self.programs.values()]
        machine.variables["PATH"] = os.pathsep.join(paths)

    def distrusts(self) -> None:
        """Take back that the clients know the folder: this is the first time that they are started there."""
        codex = self.machine.home / ".codex" / "config.toml"
        codex.write_text(codex.read_text().partition("[projects.")[0])
        claude = self.machine.home / ".claude.json"
        claude.write_text(json.dumps({**json.loads(claude.read_text()), "projects": {}}))

    def follows(self, step: Step) -> None:
        if step.title.endswith((" asks", " shows")):
            self.sees(self.terminals[step.title.rpartition(" ")[0]], step)
        elif step.title.startswith("Type in "):
            self.types(step.title.removeprefix("Type in "), "\n".join(step.lines))
        elif step.title.startswith("Terminal of "):
            self.starts(step.title.removeprefix("Terminal of "), step.lines)
        else:
            assert step.title in ("console", CLOSE)
            if step.title == CLOSE:
                self.closes()
            self.runs(step.lines)

    def closes(self) -> None:
        for terminal in self.terminals.values():
            terminal.close()

    def runs(self, lines: list[str]) -> None:
        """Type each command of a block; what is printed has to be what the lines after it promise."""
        typed = [at for at, line in enumerate(lines) if line.startswith("$ ")]
        for at, end in zip(typed, [*typed[1:], len(lines)], strict=True):
            command, promised = lines[at][2:], lines[at + 1 : end]
            if command.startswith("cd "):
                self.folder = Path(command[3:].replace("~", str(self.machine.home)))
                continue
            self.prints(command, promised)

    def prints(self, command: str, promised: list[str]) -> None:
        """Run a command; one that only reads is run until it prints what it has to, for agents take their time."""
        deadline = time.monotonic() + (TIMEOUT_S if command.startswith(READS) else 0)
        while lacks := missing(promised, printed := self.output(command)):
            assert time.monotonic() < deadline, f"{command} does not print {lacks}:\n{printed}"
            time.sleep(0.2)

    def output(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            env=self.machine.environ(self.programs["Codex"]),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def starts(self, client: str, lines: list[str]) -> None:
        program = self.programs[client]
        name, *words = lines[-1].removeprefix("$ ").split()
        assert Path(program.path).name == name
        self.terminals[client] = self.machine.terminal(program, self.models[program.name], *words)

    def types(self, client: str, prompt: str) -> None:
        program = self.programs[client]
        until(lambda: program.ready in self.terminals[client].screen, TIMEOUT_S)
        self.machine.give(program, self.models[program.name], self.terminals[client], prompt)

    def sees(self, terminal: Terminal, step: Step) -> None:
        try:
            until(lambda: not missing(step.lines, terminal.screen), TIMEOUT_S)
        except AssertionError as error:
            lacks = missing(step.lines, terminal.screen)
            raise AssertionError(f"the screen does not show {lacks}:\n{terminal.screen}") from error
        if step.choice:
            self.chooses(terminal, step.choice)

    def chooses(self, terminal: Terminal, choice: str) -> None:
        """Move down to a choice and take it.

        A key that does nothing for long was dropped, and is pressed again. A client may draw a dialog twice, the
        second time with its first choice, so a key is pressed only when the screen has settled.
        """

        def chosen() -> str:
            return "".join(CURSOR.findall(settled(terminal)))

        while choice not in (before := chosen()):
            terminal.presses("Down")
            waits(lambda: chosen() not in ("", before), DROPPED_S)
        while choice in chosen():
            terminal.presses("Enter")
            waits(lambda: choice not in terminal.screen, DROPPED_S)


def settled(terminal: Terminal) -> str:
    """The screen, once it has been the same for a while."""
    shown, since = terminal.screen, time.monotonic()
    while time.monotonic() < since + SETTLED_S:
        time.sleep(0.1)
        if (now := terminal.screen) != shown:
            shown, since = now, time.monotonic()
    return shown


def waits(condition: Callable[[], object], within_s: float) -> None:
    """Wait for something to become true, or for the time to pass."""
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def asked(request: Request, kind: str) -> str:
    """The id of the newest message of a kind that the model was shown."""
    found = re.findall(rf"\b{kind} ([0-9a-f]{{8}}-[\w-]+)", request.context)
    assert found, f"no {kind}: …{request.context[-3000:]}"
    return str(found[-1])


def codex_script(codex: Program) -> Model:
    def answer(request: Request) -> Reply:
        assert "Which port does the shop listen on?" in request.context
        assert "not your user" in request.context
        return Reply(None, codex.hallway("reply", to_message=asked(request, "request"), body="It listens on 7171."))

    def accept(request: Request) -> Reply:
        return Reply(None, codex.hallway("accept_task", task_id=asked(request, "task_offer")))

    def complete(request: Request) -> Reply:
        task_id = asked(request, "task_offer")
        return Reply(None, codex.hallway("complete_task", task_id=task_id, result="The port is 7272."))

    def note(request: Request) -> Reply:
        assert "The deploy is at noon." in request.context
        return Reply("Noted: the deploy is at noon.")

    return Model(
        Reply("I look.", codex.runs("cat settings.py")),
        Reply("It sets the port of the shop, 7171."),
        answer,
        Reply("I have answered claude: 7171."),
        accept,
        Reply(None, codex.runs("echo 'PORT = 7272' > settings.py")),
        complete,
        Reply("The port is 7272 now, and the task is completed."),
        note,
    )


def claude_script(claude: Program) -> Model:
    def ask(_: Request) -> Reply:
        body = "Which port does the shop listen on?"
        return Reply(None, claude.hallway("send", to_session="codex", body=body, type="request"))

    def tell(request: Request) -> Reply:
        if "It listens on 7171." not in request.context:
            model.script.insert(0, tell)
            return Reply(None, claude.hallway("inbox", wait_s=30))
        return Reply("The Codex session says: It listens on 7171.")

    def offer(_: Request) -> Reply:
        task = {"subject": "Change the port to 7272", "body": "The old port is taken."}
        return Reply(None, claude.hallway("offer_task", to_session="codex", **task))

    def news(request: Request) -> Reply:
        model.script.append(news)
        is_done = "The port is 7272." in request.context
        return Reply("The Codex session has changed the port to 7272." if is_done else "It has the task.")

    model = Model(
        Reply(None, claude.hallway("sessions")),
        Reply("One other session: codex, which is idle."),
        ask,
        tell,
        offer,
        Reply("Offered."),
        news,
    )
    return model


def test_what_the_tutorial_promises_is_what_a_person_sees(machine: Machine) -> None:
    claude, codex = needs("claude-code"), needs("codex")
    models = {"codex": codex_script(codex), "claude-code": claude_script(claude)}
    machine.models += models.values()
    person = Person(machine, models)
    followed = steps()
    assert len(followed) >= 15
    try:
        for step in followed:
            person.follows(step)
    finally:
        for client, terminal in person.terminals.items():
            print(client, terminal.screen if terminal.is_open else "(closed)", sep="\n")
        print(*(error for model in models.values() for error in model.errors), sep="\n")
        person.closes()
        person.output(STOP_DAEMON)  # which may be stopped already
    models["codex"].check()
    assert models["claude-code"].errors == []
