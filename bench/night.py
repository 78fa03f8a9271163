"""What the budget of wake-ups saves in a night: the turns of agents that answer each other for eight hours.

The clock is a fake one and no model runs. The bus, its budget and the text that wakes an agent are the real ones. A
turn takes a minute. An estimated token is four bytes; a turn costs `REQUESTS` requests to a model, each with a context
of `CONTEXT_TOKENS`, the text that woke the agent and the text of its answer.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

from bench.tools import Result, folder
from hallway.agents.wake.waker import wake_up
from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.core.model import Message
from hallway.services.wakes import BUDGET
from hallway.store.sqlite import SQLiteStore

NIGHT_S = 8 * 3600
TURN_S = 60
NO_BUDGET = 1_000_000  # turns, more than a night has
REQUESTS = 2  # of a turn: one that calls the tool that sends the answer, one that ends the turn
CONTEXT_TOKENS = 15_000  # an assumption: the client's instructions, its tools and a short conversation
BYTES_PER_TOKEN = 4
PERSON = "user:dave"
WRITES_EVERY_S = 1800
STEPS = 6  # turns in which two agents work off what a person wrote
NEXT = {"alice": "bob", "bob": "carol", "carol": "alice"}
THANKS = (
    "Thank you, that is noted. Anything else?",
    "Understood, thanks for the confirmation.",
    "Great, I have taken note of it. Let me know.",
    "Perfect, acknowledged. Happy to help.",
    "Many thanks. All good on my side, and on yours?",
)


class Shop:
    """The workspace of the three agents."""

    project = "github.com/acme/shop"
    branch = "main"
    location = "host:/src/shop"
    user = "alice"
    suggested_name = None
    session_id = None


class Night:
    """One night on a bus of its own: three idle agents, woken as their clients wake them."""

    def __init__(self, home: str, budget: int) -> None:
        self.clock = FakeClock()
        store = SQLiteStore(os.path.join(home, "night.db"), clock=self.clock)  # type: ignore[arg-type]  # as the tests do
        self.bus = LocalBus(store, Shop())
        self.bus.wakes.budget = budget
        self.turns = 0
        self.tokens = 0
        self.thanks = itertools.cycle(THANKS)
        self.received: dict[str, str] = {}  # each agent's last message from another agent
        for name in NEXT:
            self.bus.sessions.register(name, f"{name}'s agent", "claude-code", ttl_s=2 * NIGHT_S, status="idle")

    def run(self, answer: Callable[[Night, str, Message], str], each_minute: Callable[[Night, int], None]) -> Night:
        """Let the night pass: each minute the idle agents are woken, and each woken one answers what it was shown last.

        `answer` sends an agent's answer to a message and returns its text.
        """
        for now_s in range(0, NIGHT_S, TURN_S):
            each_minute(self, now_s)
            woken = {name: wake_up(self.bus, name) for name in NEXT}
            self.clock.advance(TURN_S)
            for name, (text, shown, _) in woken.items():
                if not shown:
                    continue
                self.bus.messages.mark_injected(name, shown)
                said = answer(self, name, self.bus.messages.get(shown[-1]))
                self.turns += 1
                self.tokens += REQUESTS * (CONTEXT_TOKENS + len((text + said).encode()) // BYTES_PER_TOKEN)
        self.bus.close()
        return self


def all_results() -> Iterator[Result]:
    yield _loop("two polite agents that answer each other's answers", answer_politely, begin)
    yield _loop("alice → bob → carol → alice, acknowledgements in other words", acknowledge, begin)
    kept, free = nights(work, person_writes)
    yield Result(
        f"a thread in which a person writes every {WRITES_EVERY_S // 60} minutes and two agents work: turns with the"
        " budget against without",
        kept.turns / free.turns,
        1,
        at_least=True,
        note=f"{kept.turns} against {free.turns} turns: nothing is held back",
    )


def _loop(name: str, answer: Callable[[Night, str, Message], str], each_minute: Callable[[Night, int], None]) -> Result:
    kept, free = nights(answer, each_minute)
    return Result(
        f"{name}: turns in 8 hours with the budget against without",
        kept.turns / free.turns,
        0.02,
        at_least=False,
        note=f"{kept.turns} against {free.turns} turns, some {kept.tokens / 1e6:.2f} against {free.tokens / 1e6:.1f}"
        " million tokens",
    )


def nights(
    answer: Callable[[Night, str, Message], str], each_minute: Callable[[Night, int], None]
) -> tuple[Night, Night]:
    """Return the same night with the budget and without it."""
    with folder() as kept, folder() as free:
        return Night(kept, BUDGET).run(answer, each_minute), Night(free, NO_BUDGET).run(answer, each_minute)


def begin(night: Night, now_s: int) -> None:
    """Let alice ask bob something, once, as the night begins."""
    if not now_s:
        night.bus.messages.send("alice", "bob", "request", "The cart", "Is the cart done?")


def answer_politely(night: Night, name: str, message: Message) -> str:
    """Answer a question with a question, in its thread."""
    said = next(night.thanks)
    night.bus.messages.reply(name, message.message_id, said, type="request")
    return said


def acknowledge(night: Night, name: str, message: Message) -> str:
    """Pass thanks on to the next agent, in a new thread."""
    said = next(night.thanks)
    night.bus.messages.send(name, NEXT[name], "notification", said.split(",")[0], said)
    return said


def person_writes(night: Night, now_s: int) -> None:
    """Let a person write to alice every half hour, from the second time on in her thread with bob."""
    if not now_s:
        night.bus.messages.send(PERSON, "alice", "request", "Step 0", "Mend the forms together with bob")
    elif now_s % WRITES_EVERY_S == 0:
        hers = night.received["bob"]
        night.bus.messages.reply(PERSON, hers, "And the next form", type="request", subject="Step 0")


def work(night: Night, name: str, message: Message) -> str:
    """Take one of the steps that follow a person's message: alice and bob hand each other the next one in turn."""
    if message.from_session != PERSON:
        night.received[name] = message.message_id
    step = int(message.subject.removeprefix("Step ")) + 1
    said = f"Form {step} is done"
    if step <= STEPS and name in night.received:
        night.bus.messages.reply(name, night.received[name], said, type="request", subject=f"Step {step}")
    elif step <= STEPS:
        night.bus.messages.send(name, NEXT[name], "request", f"Step {step}", said)
    return said


if __name__ == "__main__":
    for each in all_results():
        print(each.row())
