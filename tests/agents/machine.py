"""A person's machine for one test: a home, a repository, a bus, and agents that are started there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import hallway
from agents.model import Model
from agents.programs import Program
from hallway.core.model import Session
from support import until

PROJECT = "github.com/acme/shop"
TIMEOUT_S = 120
PRESS_AGAIN_S = 2.0


class Run:
    """What a program printed, how it ended, and how long it took."""

    def __init__(self, output: str, errors: str, status: int, seconds: float) -> None:
        self.output, self.errors, self.status, self.seconds = output, errors, status, seconds


class Machine:
    """`bus` is the one that hallway uses in this home by default."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.repository = folder / "shop"
        (self.home / "tmp").mkdir(parents=True)
        git = self.repository / ".git"
        for made in ("objects", "refs/heads"):
            (git / made).mkdir(parents=True)
        (git / "HEAD").write_text("ref: refs/heads/main\n")
        (git / "config").write_text(f'[core]\n\tbare = false\n[remote "origin"]\n\turl = https://{PROJECT}.git\n')
        self.bus = hallway.connect(self.home / ".local" / "share" / "hallway", project=PROJECT)
        self.models: list[Model] = []
        self.variables: dict[str, str] = {}  # of every program here, beside its own
        self._processes: list[subprocess.Popen[str]] = []
        self._terminals: list[Terminal] = []
        self._with_hallway: set[str] = set()

    def model(self, *script: object) -> Model:
        self.models.append(Model(*script))  # type: ignore[arg-type]
        return self.models[-1]

    def prepare(self, program: Program, model: Model, *, with_hallway: bool = True) -> None:
        """Set a client up as its person has it, then install hallway as everybody does."""
        program.prepare(self.home, self.repository, model.url)
        if with_hallway:
            self.types(program, "install", program.name)
            self._with_hallway.add(program.name)

    def environ(self, program: Program, model_url: str = "") -> dict[str, str]:
        return {**program.environ(self.home, model_url), **self.variables}

    def types(self, program: Program, *words: str) -> str:
        """What `hallway …` prints in this home, where the program is on the PATH."""
        done = subprocess.run(
            [sys.executable, "-m", "hallway", *words],
            env=self.environ(program),
            cwd=self.repository,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def session_of(self, program: Program) -> Session:
        """The session of a program that is on the bus."""
        (found,) = [each for each in self.bus.sessions.list_sessions() if each.agent_type == program.name]
        return found

    def start(
        self, program: Program, model: Model, prompt: str, *, folder: Path | None = None
    ) -> subprocess.Popen[str]:
        more = program.words_with_hallway() if program.name in self._with_hallway else []
        self._processes.append(
            subprocess.Popen(
                [program.path, *program.words(prompt), *more],
                env=self.environ(program, model.url),
                cwd=folder or self.repository,
                text=True,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return self._processes[-1]

    def finish(self, process: subprocess.Popen[str], began: float = 0.0) -> Run:
        output, errors = process.communicate(timeout=TIMEOUT_S)
        return Run(output, errors, process.returncode, time.monotonic() - began)

    def run(self, program: Program, model: Model, prompt: str) -> Run:
        """Run a client to its end; it must end well and have played the whole script."""
        began = time.monotonic()
        run = self.finish(self.start(program, model, prompt), began)
        print(run.output[-3000:], run.errors[-3000:], file=sys.stderr)  # shown when the test fails
        model.check()
        assert run.status == 0, f"{run.output}\n{run.errors}"[-3000:]
        return run

    def terminal(self, program: Program, model: Model, *words: str) -> Terminal:
        """A client in its own interface, in a terminal that nobody looks at."""
        environ = {**self.environ(program, model.url), "TERM": "xterm-256color"}
        self._terminals.append(
            Terminal([program.path, *words], environ, self.repository, self.home / f"tmux{len(self._terminals)}")
        )
        return self._terminals[-1]

    def begin_turn(self, program: Program, model: Model, task: str, *words: str) -> Terminal:
        """Start a client that is prepared in a terminal, and give it a task."""
        terminal = self.terminal(program, model, *(words or program.interface or ()))
        until(lambda: program.ready in terminal.screen, TIMEOUT_S)
        self.give(program, model, terminal, task)
        return terminal

    def give(self, program: Program, model: Model, terminal: Terminal, task: str) -> None:
        """Type a task, and press Enter until the client has taken it."""
        count = len(model.requests)
        terminal.types(task)
        until(lambda: task in terminal.screen, TIMEOUT_S)
        terminal.presses_until("Enter", lambda: len(model.requests) > count or program.stop_hint in terminal.screen)

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close()
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, 9)
            process.communicate()
        for model in self.models:
            model.close()
        self.bus.close()


class Terminal:
    """A program in a terminal of tmux."""

    def __init__(self, command: list[str], environ: dict[str, str], folder: Path, socket: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._environ = environ
        self._run("new-session", "-d", "-s", "client", "-x", "120", "-y", "40", "-c", str(folder), *command)

    def types(self, text: str) -> None:
        self._run("send-keys", "-t", "client", "-l", text)

    def presses(self, key: str) -> None:
        self._run("send-keys", "-t", "client", key)

    def enters(self, text: str) -> None:
        """Type a line and send it once it is on the screen: a client may take an Enter right after text for a paste."""
        self.types(text)
        until(lambda: text in self.screen, TIMEOUT_S)
        self.presses("Enter")

    def approves(self, question: str) -> None:
        """Answer a dialog with its first choice: press Enter until it is gone, for a client drops early keys."""

        def is_gone() -> bool:
            if question not in self.screen:
                return True
            self.presses("Enter")
            return False

        until(lambda: question in self.screen, TIMEOUT_S)
        until(is_gone, TIMEOUT_S)

    def presses_until(self, key: str, is_taken: Callable[[], object]) -> None:
        """Press a key, and again while the client has not taken it: a client drops keys that come early."""
        pressed_at = 0.0

        def is_done() -> bool:
            nonlocal pressed_at
            if is_taken():
                return True
            if time.monotonic() > pressed_at + PRESS_AGAIN_S:
                pressed_at = time.monotonic()
                self.presses(key)
            return False

        until(is_done, TIMEOUT_S)

    def interrupts(self, hint: str, key: str = "Escape") -> None:
        """Press a key once the client shows how to stop its turn, until it no longer shows that."""
        until(lambda: hint in self.screen, TIMEOUT_S)
        self.presses_until(key, lambda: hint not in self.screen)

    @property
    def screen(self) -> str:
        return self._run("capture-pane", "-p", "-t", "client")

    @property
    def is_open(self) -> bool:
        """Whether the program still runs."""
        return subprocess.run([*self._tmux, "has-session"], check=False, capture_output=True).returncode == 0

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], env=self._environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
        return done.stdout
