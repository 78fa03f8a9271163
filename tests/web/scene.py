"""A morning's work of some sessions, written onto a bus by the operations themselves: what screenshots show."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hallway.bus.local import LocalBus
from hallway.core.clock import SECOND, FakeClock
from hallway.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from pathlib import Path

SHOP, INFRA = "github.com/acme/shop", "github.com/acme/infra"
DAY_S = 24 * 3600
SESSIONS = (
    # id, name, type, project, user, branch, host and directory, what it can do
    ("login", "login claude", "claude-code", SHOP, "alice", "fix/login-form", "laptop:/src/shop", ["python", "review"]),
    ("schema", "schema codex", "codex", SHOP, "alice", "feat/orders-index", "laptop:/src/shop-2", ["sql"]),
    ("checkout", "checkout gemini", "gemini", SHOP, "bob", "feat/checkout", "bob-desk:/code/shop", ["typescript"]),
    ("release", "release claude", "claude-code", INFRA, "bob", "main", "build-2:/srv/infra", ["terraform"]),
    ("docs", "docs opencode", "opencode", SHOP, "carol", "docs/api", "carol-mac:/code/shop", []),
    ("flaky", "flaky-test codex", "codex", SHOP, "carol", "fix/flaky-cart", "carol-mac:/code/shop-tests", ["python"]),
    ("cache", "cache claude", "claude-code", INFRA, "alice", "perf/cdn-cache", "laptop:/src/infra", []),
    ("spike", "search spike", "claude-code", SHOP, "bob", "spike/search", "bob-desk:/code/spike", []),
)

# Minutes ago, who, how it is, and on what.
LIVES = (
    (372, "login", "working", "read the login form and its tests"),
    (368, "release", "working", "prepare release 4.2"),
    (340, "schema", "working", "find the slow orders query"),
    (325, "release", "idle", None),
    (300, "checkout", "working", "split the checkout page"),
    (282, "schema", "waiting", "may I add an index on orders?"),
    (270, "docs", "working", "describe the orders API"),
    (262, "schema", "working", "add an index on orders(created_at)"),
    (240, "login", "idle", None),
    (220, "spike", "working", "try full-text search"),
    (200, "flaky", "working", "reproduce the flaky cart test"),
    (180, "login", "working", "one form for login and sign-up"),
    (150, "docs", "idle", None),
    (140, "cache", "working", "measure cache misses at the edge"),
    (118, "checkout", "waiting", "which currency comes first?"),
    (110, "checkout", "working", "currencies in the checkout"),
    (75, "release", "working", "dry run of release 4.2"),
    (62, "schema", "idle", None),
    (40, "docs", "active", "look over the API pages"),
    (26, "schema", "working", "backfill orders.region in batches"),
    (12, "release", "waiting", "may I run the migration on production?"),
    (9, "flaky", "working", "pin the clock in the cart test"),
    (3, "login", "waiting", "which of the two designs do you prefer?"),
)

# Minutes ago, from, to, type, subject, body, more. A name in `reply` is that of an earlier message.
TALK: tuple[tuple[float, str, str, str, str, str, dict[str, Any]], ...] = (
    (
        290,
        "schema",
        "checkout",
        "request",
        "Do you write to orders?",
        "I want to add an index on orders(created_at).\nDoes the checkout write to it in bulk anywhere?",
        {"name": "q"},
    ),
    (284, "checkout", "schema", "response", "", "Only single rows, in `place_order`. Go ahead.", {"reply": "q"}),
    (
        236,
        "login",
        "*",
        "broadcast",
        "The session cookie is renamed",
        "`sid` is now `__Host-session`; tests that set it must follow.\nhttps://github.com/acme/shop/pull/812",
        {},
    ),
    (
        196,
        "flaky",
        "login",
        "request",
        "Is the cart test yours?",
        "tests/test_cart.py::test_total fails one run in twenty since the cookie change.",
        {"name": "cart"},
    ),
    (190, "login", "flaky", "response", "", "It reads the wall clock twice. I would freeze it.", {"reply": "cart"}),
    (
        186,
        "flaky",
        "login",
        "response",
        "",
        "That is it, thank you: it fails around midnight UTC only.",
        {"reply": "cart"},
    ),
    (130, "cache", "release", "notification", "Cache rules changed", "Purge /assets after 4.2 is out.", {}),
    (70, "docs", "checkout", "request", "What does 422 mean here?", "POST /checkout answers 422 without a body.", {}),
    (
        24,
        "schema",
        "*",
        "broadcast",
        "orders.region is being filled",
        "Reads may see NULL until about 16:00. Treat it as 'EU'.",
        {},
    ),
    (
        11,
        "release",
        "user:alice",
        "request",
        "May I run the migration on production?",
        "It adds a column and fills it in batches of 5,000.\nPlan: https://github.com/acme/infra/pull/77",
        {"priority": "high"},
    ),
    (
        6,
        "checkout",
        "cache",
        "notification",
        "Purge the checkout bundle",
        "The old bundle breaks paying in JPY.",
        {"priority": "urgent"},
    ),
    (
        2,
        "login",
        "user:alice",
        "request",
        "Which of the two designs do you prefer?",
        "A: one field that finds out whether you are new.\nB: two tabs.\nI would take A.",
        {},
    ),
)


class Here:
    """Where the scene's sessions run, as far as they do not say."""

    project, branch, location, user = SHOP, "main", "laptop:/src/shop", "alice"
    suggested_name = None
    session_id = None


class Scene:
    """A bus whose clock is told what time it is."""

    def __init__(self, home: Path, now_s: float) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._now_us = int(now_s * SECOND)
        self._clock = FakeClock(self._now_us - 380 * 60 * SECOND)
        self._sent: dict[str, str] = {}
        self.bus = LocalBus(SQLiteStore(str(home / "bus.db"), clock=self._clock), Here())

    def play(self) -> None:
        """Everything, in the order in which it happened."""
        for session_id, name, kind, project, user, branch, location, capabilities in SESSIONS:
            self.bus.sessions.register(
                session_id,
                name,
                kind,
                user,
                capabilities,
                project=project,
                branch=branch,
                location=location,
                ttl_s=DAY_S,
            )
        steps: list[tuple[float, Any]] = [(ago, lambda life=life: self._live(*life)) for ago, *life in LIVES]
        steps += [(ago, lambda said=said: self._say(*said)) for ago, *said in TALK]
        steps += [(ago, step) for ago, step in self._rest()]
        for ago, step in sorted(steps, key=lambda each: -each[0]):
            self._clock.time = max(self._clock.time, self._now_us - int(ago * 60 * SECOND))
            step()
        self._clock.time = self._now_us
        self.bus.close()

    def _live(self, session_id: str, status: str, task: str | None) -> None:
        self.bus.sessions.heartbeat(session_id, status=status, current_task=task)

    def _say(
        self, from_session: str, to_session: str, kind: str, subject: str, body: str, more: dict[str, Any]
    ) -> None:
        messages, priority = self.bus.messages, more.get("priority", "normal")
        if "reply" in more:
            sent = messages.reply(from_session, self._sent[more["reply"]], body)
            messages.acknowledge(from_session, [self._sent[more["reply"]]])
        elif to_session == "*":
            sent = messages.broadcast(from_session, subject, body, priority=priority)
        else:
            sent = messages.send(from_session, to_session, kind, subject, body, priority=priority)
        self._sent[more.get("name", subject)] = sent.message_id

    def _rest(self) -> list[tuple[float, Any]]:
        bus = self.bus
        tasks: dict[str, str] = {}

        def offer(name: str, *said: str) -> None:
            tasks[name] = bus.tasks.offer(*said).task_id

        def read(session_id: str) -> None:
            found = [each.message_id for each in bus.messages.inbox(session_id)]
            bus.messages.mark_injected(session_id, found)

        def done(session_id: str) -> None:
            bus.messages.acknowledge(session_id, [each.message_id for each in bus.messages.inbox(session_id)])

        def remember(session_id: str, key: str, value: Any, kind: str, *tags: str) -> None:
            bus.memory.set(session_id, key, value, kind, tags=list(tags))

        def claim(session_id: str, intent: str, *paths: str, **more: Any) -> None:
            bus.claims.claim(session_id, list(paths), intent, ttl_s=4 * 3600, **more)

        return [
            (95, lambda: claim("login", "one form for login and sign-up", "src/login/**", "templates/login/*.html")),
            (62, lambda: claim("release", "dry run of release 4.2", "resource:staging")),
            (44, lambda: claim("docs", "", "docs/api/**", mode="shared")),
            (25, lambda: claim("schema", "backfill orders.region", "migrations/**", "src/orders/region.py")),
            (9, lambda: claim("flaky", "pin the clock in the cart test", "src/login/session.py", queue_s=4 * 3600)),
            (
                330,
                lambda: offer(
                    "slow",
                    "user:alice",
                    "capability:sql",
                    "Find the slow orders query",
                    "The orders page takes 4 s for customers with many orders.",
                ),
            ),
            (329, lambda: bus.tasks.accept("schema", tasks["slow"])),
            (228, lambda: [done(each) for each in ("checkout", "flaky", "docs")]),
            (205, lambda: remember("schema", "db/orders", {"rows": 41_000_000, "index": None}, "fact", "db", "orders")),
            (
                150,
                lambda: remember(
                    "schema", "db/orders", {"rows": 41_000_000, "index": "created_at"}, "fact", "db", "orders"
                ),
            ),
            (149, lambda: bus.tasks.complete("schema", tasks["slow"], "An index on created_at: 4.1 s → 30 ms.")),
            (
                148,
                lambda: remember(
                    "login", "decision/login-form", "One form for login and sign-up.", "decision", "login", "ux"
                ),
            ),
            (
                120,
                lambda: remember(
                    "flaky", "tests/cart-clock", "test_total reads the wall clock twice; freeze it.", "note", "tests"
                ),
            ),
            (100, lambda: offer("cart", "user:carol", "flaky", "Make the cart test deterministic")),
            (98, lambda: bus.tasks.accept("flaky", tasks["cart"])),
            (
                90,
                lambda: offer(
                    "currency",
                    "checkout",
                    "*",
                    "Round JPY amounts to whole yen",
                    "Every amount in the cart and on the invoice.",
                ),
            ),
            (60, lambda: offer("docs", "docs", "login", "Review the login page of the API docs")),
            (55, lambda: bus.tasks.accept("login", tasks["docs"])),
            (50, lambda: bus.tasks.handoff("login", tasks["docs"], "schema", "I wait for a decision; could you?")),
            (48, lambda: bus.sessions.end("spike", "finished")),
            (
                30,
                lambda: remember(
                    "schema",
                    "db/orders",
                    {"rows": 41_200_000, "index": "created_at", "region": "being filled"},
                    "fact",
                    "db",
                    "orders",
                ),
            ),
            (22, lambda: bus.files.touch("schema", ["/src/shop-2/db/orders.sql", "/src/shop-2/db/backfill.py"])),
            (21, lambda: bus.files.touch("login", ["/src/shop/web/login.py", "/src/shop/web/session.py"])),
            (14, lambda: bus.files.touch("flaky", ["/code/shop-tests/tests/test_cart.py"])),
            (13, lambda: bus.files.touch("docs", ["/code/shop-tests/tests/test_cart.py"])),
            (20, lambda: [read(each) for each in ("login", "checkout", "schema")]),
            (
                5,
                lambda: bus.sessions.set_status_detail(
                    "release",
                    {"step": "migrate", "of": 5, "done": 2, "plan": ["backup", "freeze", "migrate", "deploy"]},
                ),
            ),
        ]


def play(home: Path) -> None:
    """Write the scene onto the bus in a folder, ending now."""
    Scene(home, time.time()).play()
