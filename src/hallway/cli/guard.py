"""`hallway guard`: the check of a commit or a push against what others have claimed, as a git hook.

It is the net below the checks at the edit, for what no client asks about first. A bus that cannot be asked stops
nobody: that is said in a line and logged, and the commit goes on (C4). The exit status of a refusal is one that no
broken installation has, and the hook around this command takes every other status for consent.
"""

from __future__ import annotations

import os
import shlex
import sys
from threading import Timer
from typing import TYPE_CHECKING

from hallway.agents.hook import log
from hallway.agents.hook.event import WARN
from hallway.agents.install.git_hooks import GUARDED, PRE_COMMIT, PRE_PUSH, GuardInstaller
from hallway.bus.connect import connect
from hallway.cli.render.parts import how_many
from hallway.cli.terminal import err, out
from hallway.core.errors import ClaimRefused, HallwayError
from hallway.core.globs import escape, normalize
from hallway.core.model import PERSON
from hallway.core.schema import encode, quote_value
from hallway.local.git_changes import Push, pushed_paths, pushes_of, staged_paths
from hallway.local.paths import bus_address, bus_folder
from hallway.local.presence import sessions_of_this_process
from hallway.local.repository_paths import ignores_case
from hallway.local.workspace import current_user, resolve_project
from hallway.text.sanitize import clean_json, sanitize
from hallway.text.style import duration

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from hallway.bus.base import Bus
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Claim
    from hallway.local.git_changes import ChangedPath

OFF = "off"  # the value of HALLWAY_CLAIMS that switches this check off, and the check before an edit
WAIT_S = 5.0  # how long to wait for the bus
MAX_SHOWN = 20  # how many paths a refusal names


def guard(args: Namespace) -> int:
    """Refuse a commit or a push of files that another session has claimed. Git's hooks run this command.

    Without a hook's name it checks what is staged. pre-push checks the commits that are pushed, as git lists them on
    standard input. Your own claims, and those of the session that started yours, refuse nothing. If the bus does not
    answer within five seconds, the commit goes on. git commit --no-verify leaves out the check, as HALLWAY_CLAIMS=off
    does; with HALLWAY_CLAIMS=warn the commit goes on after the warning.

    To install it in this repository: hallway install --guard
    """
    setting = os.environ.get("HALLWAY_CLAIMS", "").lower()
    if setting == OFF:
        return 0
    try:
        held = _held(_changed_paths(args.hook, args.arguments), args.url)
    except Exception as error:  # the edge between git and hallway
        _let_go_on(f"{error.message if isinstance(error, HallwayError) else f'{type(error).__name__}: {error}'}")
        return 0
    if args.is_json:
        out().write(clean_json(encode([{"path": path, "claim": each.to_dict()} for path, (each, _) in held.items()])))
    elif held:
        err().write(*refusal(err(), held, args.hook))
    return ClaimRefused.exit_status if held and setting != WARN else 0


def refusal(screen: Terminal, held: dict[str, tuple[Claim, str]], hook: str) -> list[str]:
    """Return the text of a refusal: a line for each path that another session holds, and what can be done."""
    command = "push" if hook == PRE_PUSH else "commit"
    lines = [f"{screen.paint('hallway:', 'red')} others have claimed {how_many(len(held), 'file')} of this {command}:"]
    for path, (claim, name) in list(held.items())[:MAX_SHOWN]:
        what = "" if claim.paths == [path] else f" {', '.join(claim.paths)}"
        intent = f" for {quote_value(claim.intent)}" if claim.intent else ""
        until = claim.expires_at.strftime("%H:%M UTC")
        left = duration(max(claim.expires_at.timestamp() - screen.now_s, 0))
        lines.append(sanitize(f"  {path}: {name} holds{what or ' it'}{intent} until {until}, for {left} more"))
    lines += [f"  and {len(held) - MAX_SHOWN} more"] if len(held) > MAX_SHOWN else []
    path, (claim, name) = next(iter(held.items()))
    typed = shlex.quote(escape(os.path.relpath(path, os.environ.get("GIT_PREFIX") or os.curdir)))
    address = claim.session_id if claim.session_id.startswith(PERSON) else name
    ways = {
        "Ask": f"hallway send me {address} {shlex.quote(f'May I change {path}?')} --type request",
        "Wait": f"hallway claim {typed} --wait 10m",
        "End the claim, as a person": f"hallway release {claim.claim_id} --force",
        "Leave out the check": f"git {command} --no-verify",
    }
    return [*lines, *(f"{screen.paint(f'{what}:', 'cyan')} {sanitize(way)}" for what, way in ways.items())]


def _held(changed: list[ChangedPath], url: str | None) -> dict[str, tuple[Claim, str]]:
    """Return the changed paths that others hold, each with the claim and the name of its holder."""
    globs: dict[str, str] = {}
    for each in changed:
        literal = normalize(escape(each.path))
        globs |= {literal: each.path, **({f"{literal}/**": each.path} if each.is_submodule else {})}
    if not globs:
        return {}
    timer = Timer(WAIT_S, _give_up)
    timer.daemon = True
    timer.start()
    with connect(url) as bus:
        bus.timeout_s = WAIT_S
        own = _own_parties(bus)
        claims = bus.claims.find_holders([*globs], own, project=resolve_project(), ignores_case=ignores_case())
        names = bus.sessions.names_in(list(claims.values()))
    timer.cancel()
    return {globs[glob]: (each, _called(each.session_id, names)) for glob, each in sorted(claims.items())}


def _called(holder: str, names: dict[str, str]) -> str:
    return names.get(holder) or holder.removeprefix(PERSON)


def _changed_paths(hook: str, arguments: list[str]) -> list[ChangedPath]:
    """Return the changed paths of a commit or a push. The pre-commit framework describes a push in variables."""
    environ = os.environ
    remote = environ.get("PRE_COMMIT_REMOTE_NAME", "")
    commit = environ.get("PRE_COMMIT_TO_REF") or (environ.get("PRE_COMMIT_LOCAL_BRANCH") if remote else "")
    if commit:
        return pushed_paths([Push(commit, environ.get("PRE_COMMIT_FROM_REF", ""), remote)])
    if hook == PRE_PUSH:
        return pushed_paths(pushes_of(sys.stdin, *arguments[:1]))
    return staged_paths()


def _own_parties(bus: Bus) -> set[str]:
    """Return the sessions whose claims never refuse: those that this process works for, or else the person."""
    user = current_user()
    return sessions_of_this_process(bus.folder) or ({f"{PERSON}{user}"} if user else set())


def _let_go_on(cause: str) -> None:
    log.note(bus_folder(bus_address()), GuardInstaller.name, cause)
    err().write(f"hallway: claims were not checked: {sanitize(cause)}")


def _give_up() -> None:
    """End the process, whatever it hangs in, and let git go on."""
    _let_go_on(f"the bus did not answer within {WAIT_S:g} s")
    os._exit(0)


def guard_options(parser: ArgumentParser) -> None:
    parser.add_argument("hook", nargs="?", choices=GUARDED, default=PRE_COMMIT, help="the git hook that runs it")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="what git passes to the hook")
