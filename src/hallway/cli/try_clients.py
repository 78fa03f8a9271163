"""`hallway try`: two real clients of this machine talk on the bus: one asks, the other answers.

The person agrees first, because a client sends its prompt to its maker's model, with the person's account. Each client
is started without its own interface, with one prompt. It may use hallway's tools, and neither run commands nor write
files. What they did is read from the bus, not from what they say.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

from hallway.bus.connect import connect
from hallway.cli.confirmation import YES, Declined, is_at_terminal
from hallway.cli.interrupts import hold_interrupts
from hallway.cli.terminal import err, out
from hallway.core.errors import HallwayError, InvalidInput
from hallway.core.near_names import near_matches
from hallway.core.schema import encode
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from hallway.agents.install.client import ClientInstaller
    from hallway.bus.base import Bus
    from hallway.core.model import Message

QUESTION = "What is six times seven?"
ANSWER_PROMPT = (
    "You take part in a short test of hallway. Call hallway's tool inbox with wait_s 60 until it has a message of"
    " another session, at the most three times. Answer that message with the tool reply, in one sentence, and stop."
)
ASK_PROMPT = (
    "You take part in a short test of hallway. With hallway's tool send, send a message of type request with the body"
    " '{question}' to the session {name}. Call hallway's tool inbox with wait_s 60 until the answer is there, at the"
    " most three times. Then say the answer, and stop."
)
START_WAIT_S, TALK_WAIT_S, END_WAIT_S, LOOK_S = 120.0, 300.0, 20.0, 0.5
MAX_OUTPUT_SHOWN = 2000


class TryFailed(HallwayError):
    """The two clients did not ask and answer within the time."""

    code = "try_failed"
    hint = "See which step is missing: hallway doctor"


def try_options(parser: ArgumentParser) -> None:
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help="who asks and who answers (the first two found)")
    parser.add_argument("--yes", action="store_true", dest="is_meant", help="do not ask first")


def try_(args: Namespace) -> int:
    """Have two of your coding agents talk: one asks the other a question over the bus, and gets its answer.

    It asks you first. Then it starts each with one prompt, in this folder, with your account; they may use hallway's
    tools, and change no file.
    With one name, or one client on this machine, two sessions of it talk. The clients: claude-code, codex.
    """
    asking, answering = _chosen(args.clients)
    _agree(asking, answering, is_meant=args.is_meant)
    screen = out()
    with connect(args.url) as bus:
        question, answer = _Talk(bus, asking, answering).run()
    if args.is_json:
        screen.write(clean_json(encode({"question": question, "answer": answer})))
        return 0
    screen.write(
        f"{asking.title} asked:     {sanitize(question.subject or question.body)}",
        f"{answering.title} answered: {sanitize(answer.body or answer.subject)}",
        f"The whole conversation: hallway thread {question.message_id}",
    )
    return 0


def _chosen(names: list[str]) -> tuple[ClientInstaller, ClientInstaller]:
    """Return who asks and who answers: clients that are connected here and can run a prompt by themselves."""
    from hallway.agents.install.all_clients import CLIENTS
    from hallway.agents.install.chain import chain_of

    able = {name: client for name, client in CLIENTS.items() if client.one_prompt("") is not None}
    for name in names:
        if name not in able:
            near = near_matches(name, list(able))
            meant = f"Did you mean {' or '.join(near)}? " if near else ""
            raise InvalidInput(f"hallway try cannot start {name!r}", hint=f"{meant}It can start: {', '.join(able)}")
    if len(names) > 2:
        raise InvalidInput("hallway try takes two clients at the most", hint="Name who asks, then who answers")
    found = [able[name] for name in names] or [client for client in able.values() if client.program]
    if not found:
        hint = f"Install one of these, then type hallway install: {', '.join(each.title for each in able.values())}"
        raise InvalidInput("no client that hallway try can start is on this machine", hint=hint)
    for client in found:
        missing = next((link for link in chain_of(client).links[:2] if not link.is_done), None)
        if client.program is None or missing:
            hint = missing.following if missing else f"Put {client.programs[0]} on the PATH"
            raise InvalidInput(f"{client.title} is not connected to hallway", hint=hint)
    return found[0], found[-1] if len(found) < 2 else found[1]


def _agree(asking: ClientInstaller, answering: ClientInstaller, *, is_meant: bool) -> None:
    """Ask the person; raise Declined if there is nobody to ask, or the person does not agree."""
    if is_meant:
        return
    names = asking.title if asking is answering else f"{asking.title} and {answering.title}"
    what = f"This starts {names} here, with one prompt each; they use your accounts, some thousand tokens."
    if not is_at_terminal():
        raise Declined(f"{what} There is no terminal to ask you at", hint="If you agree: hallway try --yes")
    screen = err()
    screen.stream.write(screen.paint(f"{what} Go on? [y/N] ", "bold"))
    screen.stream.flush()
    if sys.stdin.readline().strip().lower() not in YES:
        raise Declined("nothing was started")


class _Talk:
    """The two processes, and what the bus says about their sessions."""

    def __init__(self, bus: Bus, asking: ClientInstaller, answering: ClientInstaller) -> None:
        self.bus = bus
        self.asking = asking
        self.answering = answering
        self._known = {each.session_id for each in bus.sessions.find_sessions(limit=1000)}
        self._last_seq = max((each.seq for each in bus.messages.sent(limit=1)), default=0)
        self._processes: list[tuple[ClientInstaller, subprocess.Popen[bytes], IO[bytes]]] = []

    def run(self) -> tuple[Message, Message]:
        """Return the question and the answer; raise TryFailed if they do not come."""
        try:
            self._start(self.answering, ANSWER_PROMPT)
            session_id = self._wait_for_session(self.answering)
            name = self.bus.sessions.get(session_id).name
            self._start(self.asking, ASK_PROMPT.format(question=QUESTION, name=name))
            found = self._wait_for_answer(session_id)
            self._wait_for_end()
            return found
        finally:
            with hold_interrupts():
                for _, process, output in self._processes:
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    output.close()

    def _wait_for_end(self) -> None:
        """Give the clients the time to finish their turns."""
        deadline = time.monotonic() + END_WAIT_S
        while time.monotonic() < deadline and any(process.poll() is None for _, process, _ in self._processes):
            time.sleep(LOOK_S)

    def _start(self, client: ClientInstaller, prompt: str) -> None:
        command = [str(client.program), *(client.one_prompt(prompt) or [])]
        import tempfile

        output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with its process)
        # A session of its own, so that Ctrl-C reaches hallway, which then ends the client.
        with hold_interrupts():
            process = subprocess.Popen(
                command,
                env={**os.environ, **client.waits_for_tools},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._processes.append((client, process, output))
        err().write(f"Started {client.title}.")

    def _wait_for_session(self, client: ClientInstaller) -> str:
        """Return the id of the client's new session."""
        deadline = time.monotonic() + START_WAIT_S
        while time.monotonic() < deadline:
            found = self.bus.sessions.find_sessions(agent_type=client.name, limit=1000)
            if new := [each.session_id for each in found if each.session_id not in self._known]:
                return new[0]
            self._require_running(f"{client.title} did not come to the bus")
            time.sleep(LOOK_S)
        raise self._failure(f"{client.title} did not come to the bus within {START_WAIT_S:.0f} seconds")

    def _wait_for_answer(self, session_id: str) -> tuple[Message, Message]:
        """Return the request that the session gets, and its answer."""
        deadline = time.monotonic() + TALK_WAIT_S
        question: Message | None = None
        while time.monotonic() < deadline:
            new = [each for each in self.bus.messages.sent(limit=50) if each.seq > self._last_seq]
            question = next((each for each in new if (each.type, each.to_session) == ("request", session_id)), question)
            answers = [each for each in new if question and each.in_reply_to == question.message_id]
            if question and answers:
                return question, answers[-1]
            if all(process.poll() is not None for _, process, _ in self._processes):
                break
            time.sleep(LOOK_S)
        raise self._failure("the question was not answered" if question else "no question was asked")

    def _require_running(self, what: str) -> None:
        if any(process.poll() is not None for _, process, _ in self._processes):
            raise self._failure(f"{what}: it has ended")

    def _failure(self, what: str) -> TryFailed:
        """Return an error with the end of what the clients wrote."""
        said = []
        for client, _, output in self._processes:
            output.seek(0)
            text = output.read()[-MAX_OUTPUT_SHOWN:].decode(errors="replace").strip()
            said.append(f"{client.title} wrote: {text or 'nothing'}")
        return TryFailed("; ".join([what, *said]))
