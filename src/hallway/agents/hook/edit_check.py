"""The check before an edit: whether another session holds the files that a tool is about to write (C2).

It only reads the bus, and whatever fails lets the edit go on (C4). While nobody else has claimed anything in the
project, it marks the session's gate file for edits, so that the next edits start no process.
"""

from __future__ import annotations

from hallway.agents.hook.event import WARN
from hallway.agents.hook.shell_command import written_files
from hallway.core.clock import SystemClock, to_datetime
from hallway.core.errors import SessionNotFound
from hallway.core.model import PERSON
from hallway.local.hook_gate import EDITS_SNOOZE_S, SNOOZE_S, EditGate
from hallway.local.repository_paths import files_in_project, ignores_case
from hallway.text.framing import DIGEST_NOTE, in_quotes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.event import ClientAdapter, HookEvent, Payload
    from hallway.bus.base import Bus
    from hallway.core.model import Claim

MAX_FILES = 1000  # that are checked for one call of a tool
FILES_AT_ONCE = 100  # that are passed in one call of `check_edit`
MAX_PATH = 4096
SHOWN = 3  # how many claims a denial names, and how many paths of each
MAX_TEXT = 120


def check_edit(bus: Bus, adapter: ClientAdapter, event: HookEvent, project: str) -> Payload | None:
    """Return the answer for a tool that is about to write what another session holds; None if nobody does."""
    files = [*event.files, *written_files(event.command, event.directory)]
    globs = [each for each in files_in_project(files, event.directory, project) if _is_storable(each)][:MAX_FILES]
    folds = bool(globs) and ignores_case(event.directory)
    try:
        gate = EditGate(bus.folder, project)
    except OSError:  # a folder that cannot be written: every edit is then checked
        gate = None
    try:
        is_claimed, claims = _look(bus, event.session_id, globs, ignores_case=folds)
        if gate and not is_claimed:
            gate.snooze(event.session_id, EDITS_SNOOZE_S if bus.marks_every_grant else SNOOZE_S)
    finally:
        if gate:
            gate.close()
    if claims:
        bus.end_gone()  # a holder that was killed a moment ago holds nothing
        _, claims = _look(bus, event.session_id, globs, ignores_case=folds)
    if claims:
        from hallway.local.presence import sessions_of_this_process

        own = sessions_of_this_process(bus.folder)  # an agent that starts another one waits for it
        claims = [each for each in claims if each.session_id not in own]
    if not claims:
        return None
    words = denial(bus, claims, is_denied=event.reason != WARN)
    return adapter.warn_of_edit(event, words) if event.reason == WARN else adapter.deny_edit(event, words)


def _look(bus: Bus, session_id: str, globs: list[str], *, ignores_case: bool) -> tuple[bool, list[Claim]]:
    """Return whether others have claimed any path of the project, and which claims forbid to write these files."""
    claims: dict[str, Claim] = {}
    for at in range(0, len(globs) or 1, FILES_AT_ONCE):
        check = bus.claims.check_edit(session_id, globs[at : at + FILES_AT_ONCE], ignores_case=ignores_case)
        claims |= {each.claim_id: each for each in check.claims}
        if not check.is_claimed:
            return False, []
    return True, list(claims.values())


def denial(bus: Bus, claims: list[Claim], *, is_denied: bool) -> str:
    """Return what an agent is told about claims that forbid an edit: who holds what until when, and the ways out."""
    parties = [_Holder(bus, each) for each in claims[:SHOWN]]
    more = [f"… and {len(claims) - SHOWN} more claims."] if len(claims) > SHOWN else []
    first = parties[0]
    begin = "hallway has stopped this edit" if is_denied else "hallway warns of this edit"
    ask = f"ask the holder (hallway's send tool, to_session {first.address}, type request)"
    wait = "wait (hallway's claim tool, the same paths, with queue_s)"
    end = f"only your user can end the claim: hallway release {claims[0].claim_id} --force"
    return "\n".join(
        (
            f"{begin}: another session has claimed what it writes. {DIGEST_NOTE}",
            *(each.line for each in parties),
            *more,
            f"The ways out: {ask}; {wait}; work on something else; {end}",
        )
    )


class _Holder:
    """The holder of a claim, described in a line for an agent."""

    def __init__(self, bus: Bus, claim: Claim) -> None:
        now = to_datetime(SystemClock().now())
        self.address = in_quotes(claim.session_id, MAX_TEXT)
        about = "a person"
        if not claim.session_id.startswith(PERSON):
            try:
                session = bus.sessions.get(claim.session_id)
                self.address = in_quotes(session.name or session.session_id, MAX_TEXT)
                seen = _age((now - session.last_seen).total_seconds())
                about = f"{session.agent_type}, {session.status}, seen {seen} ago"
            except SessionNotFound:
                about = "a session that the bus does not show"
        paths = ", ".join(claim.paths[:SHOWN]) + (" …" if len(claim.paths) > SHOWN else "")
        for_what = f" for {in_quotes(claim.intent, MAX_TEXT)}" if claim.intent else ""
        left = _age((claim.expires_at - now).total_seconds())
        self.line = (
            f"- {self.address} ({about}) holds {in_quotes(paths, MAX_TEXT)}{for_what}"
            f" until {claim.expires_at:%H:%M} UTC ({left} more)"
        )


def _age(seconds: float) -> str:
    seconds = max(seconds, 0)
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _is_storable(path: str) -> bool:
    return path.isprintable() and len(path) <= MAX_PATH
