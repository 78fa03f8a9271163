"""An afternoon of 24 sessions in three projects, written by the operations themselves, and what needs a person then.

`EXPECTED` is written by hand: what a person who knows all of it would look at first, second and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hallway.bus.local import LocalBus
    from hallway.core.clock import FakeClock

SHOP, INFRA, APP = (f"github.com/acme/{name}" for name in ("shop", "infra", "app"))
BEGAN_MIN = 90  # before the end
DAY_S = 24 * 3600
SESSIONS = {
    SHOP: {
        "login-form": "claude-code",
        "cart": "codex",
        "checkout": "gemini",
        "search": "claude-code",
        "emails": "opencode",
        "flaky-tests": "codex",
        "docs": "claude-code",
        "reviews": "cursor",
    },
    INFRA: {
        "release": "claude-code",
        "cache": "claude-code",
        "backups": "codex",
        "certs": "gemini",
        "metrics": "copilot",
        "dns": "opencode",
        "images": "codex",
        "costs": "claude-code",
    },
    APP: {
        "login-screen": "claude-code",
        "push": "codex",
        "offline-mode": "gemini",
        "icons": "cursor",
        "languages": "claude-code",
        "crash": "codex",
        "store-page": "opencode",
        "beta": "claude-code",
    },
}
STANDS_STILL = "search"


class Needed(NamedTuple):
    """What an item must say; `minutes` is how long it has needed a person."""

    kind: str
    name: str
    what: str
    minutes: int
    is_urgent: bool = False
    state: str = "open"


EXPECTED = [
    Needed("request", "release", "May I roll production back to 4.1?", 12, is_urgent=True),
    Needed("urgent", "images", "Stop: the registry is read-only", 7, is_urgent=True),
    Needed("permission", "cart", "Bash: npm publish", 31),
    Needed("permission", "crash", "Bash: rm -rf build", 2),
    Needed("question", "login-form", "Tabs or spaces?", 5),
    Needed("question", "languages", "Which languages come first?", 3),
    Needed("request", "checkout", "Which currency comes first?", 40),
    Needed("request", "login-form", "One form or two?", 9),
    Needed("request", "login-form", "Keep the old route?", 8),
    Needed("conflict", "docs", "web/cart.py: reviews writes it, too, in another worktree", 44),
    Needed("overdue", "emails", "Is the template yours?", 15),
    Needed("stuck", "search", "try full-text search", 22),
    Needed("orphaned", "certs", "Rotate the certificates", 15),
    Needed("unclaimed", "store-page", "Translate the store page", 50),
    Needed("finished", "docs", "The API pages are done.", 35),
    Needed("finished", "cache", "The hit rate is 94 %.", 18),
    Needed("finished", "beta", "API Error: 500", 6),
    Needed("finished", "metrics", "Usage limit reached until 18:00", 4),
    Needed("request", "push", "Which sound?", 16, state="answered"),
]


def play(bus: LocalBus, clock: FakeClock) -> None:
    """Write the scene; the clock must be at its beginning, `BEGAN_MIN` before its end."""
    messages, tasks, sessions = bus.messages, bus.tasks, bus.sessions
    began = clock.now()
    sent: dict[str, str] = {}

    def at(minutes: float) -> None:
        """Move the clock to so many minutes before the end; it never goes back."""
        clock.advance((BEGAN_MIN - minutes) * 60 - (clock.now() - began) / 1_000_000)

    def ask(sender: str, subject: str, to: str = "user:alice", **more: Any) -> str:
        sent[subject] = messages.send(sender, to, "request", subject, **more).message_id
        return sent[subject]

    def says(session_id: str, status: str, reason: str | None = None, detail: str | None = None) -> None:
        sessions.heartbeat(session_id, status=status, reason=reason, detail=detail)

    for project, clients in SESSIONS.items():
        for name, client in clients.items():
            sessions.register(
                name,
                name,
                client,
                human_user="alice",
                project=project,
                branch=f"work/{name}",
                ttl_s=DAY_S,
                status="working",
            )
    at(60)
    certificates = tasks.offer("dns", "*", "Rotate the certificates").task_id
    tasks.accept("certs", certificates)
    backups = tasks.offer("dns", "*", "Check the backups").task_id
    tasks.accept("backups", backups)
    at(50)
    tasks.offer("store-page", "*", "Translate the store page")
    at(46)
    bus.files.touch("docs", ["/src/shop/web/cart.py", "/src/shop/README.md"], worktree="laptop:/src/shop")
    at(45)
    says("reviews", "idle", "done", "All reviews are answered.")
    at(44)
    bus.files.touch("reviews", ["/src/shop-2/web/cart.py"], worktree="laptop:/src/shop-2")
    at(40)
    ask("checkout", "Which currency comes first?")
    at(38)
    messages.send("emails", "user:alice", subject="only to tell you", priority="high")
    at(35)
    says("docs", "idle", "done", "The API pages are done.")
    at(31)
    says("cart", "waiting", "permission", "Bash: npm publish")
    at(28)
    messages.reply("user:alice", ask("icons", "Round or square?"), "Round.")
    at(25)
    ask("flaky-tests", "Is the template yours?", to="emails")  # to be answered within ten minutes
    messages.reply("icons", ask("store-page", "Which size?", to="icons"), "512 pixels.")
    at(22)
    sessions.heartbeat(STANDS_STILL, status="working", current_task="try full-text search")
    at(20)
    says("offline-mode", "idle", "interrupted")
    at(18)
    says("cache", "idle", "done", "The hit rate is 94 %.")
    at(16)
    ask("push", "Which sound?")
    at(15)
    sessions.end("certs")
    at(12)
    ask("release", "May I roll production back to 4.1?", priority="urgent")
    at(9)
    ask("login-form", "One form or two?")
    at(8)
    ask("login-form", "Keep the old route?")
    at(7)
    messages.send("release", "images", subject="Stop: the registry is read-only", priority="urgent")
    messages.send("release", "dns", subject="not so urgent", priority="high")
    at(6)
    says("beta", "idle", "error", "API Error: 500")
    at(5)
    says("login-form", "waiting", "question", "Tabs or spaces?")
    at(4)
    says("metrics", "idle", "limited", "Usage limit reached until 18:00")
    at(3)
    says("languages", "waiting", "question", "Which languages come first?")
    at(2)
    says("crash", "waiting", "permission", "Bash: rm -rf build")
    messages.mark_injected("icons", [each.message_id for each in messages.inbox("icons")])
    at(0.5)
    for item in bus.attention.read(limit=1000).items:
        if item.what == "Which sound?":
            bus.attention.answer(item.item_id, "The short one.")
        if item.what == "All reviews are answered.":
            bus.attention.dismiss(item.item_id)
    for each in sessions.list_sessions():
        if each.status == "working" and each.session_id != STANDS_STILL:
            sessions.heartbeat(each.session_id, status="working")
        else:
            sessions.ping(each.session_id)  # their servers say that they run
    at(0)


def needed(items: list[dict[str, Any]], now_s: float) -> list[Needed]:
    """What items say, as JSON has them."""
    from hallway.core.clock import parse_time

    return [
        Needed(
            each["kind"],
            each["name"],
            each["what"],
            round((now_s - parse_time(each["since"]).timestamp()) / 60),
            each["is_urgent"],
            each["state"],
        )
        for each in items
    ]
