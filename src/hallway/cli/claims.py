"""The commands `hallway claim` and `hallway release`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.bus.connect import connect
from hallway.cli.render import renderer_of
from hallway.cli.run import HINTS, ME, own_address
from hallway.cli.terminal import out
from hallway.core.errors import ClaimNotFound, ClaimRefused, InvalidInput
from hallway.core.model import PERSON
from hallway.core.schema import quote_value
from hallway.services.claims import RESOURCE, ClaimRegistry, checked_path

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from hallway.bus.base import Bus
    from hallway.core.model import Claim

CLAIM, RELEASE = ClaimRegistry.operations["claim"], ClaimRegistry.operations["release"]
MIN_PREFIX = 8  # the fewest characters of a claim's id that are taken; lists show at least as many
OPTIONS = {"intent": "--intent", "ttl_s": "--for", "task_id": "--task", "project": "--project"}


def claim(args: Namespace) -> None:
    """Claim files for yourself, so that other sessions work elsewhere: all of them or none.

    PATH is a file, a folder or a glob ('src/api/**') in the repository, from the folder you are in. Anything else is
    resource:NAME, such as resource:staging. A claim ends when you release it, after its time (30 minutes unless you
    say another with --for), or with its session. Claiming the same again renews it.
    """
    from hallway.local.repository_paths import ignores_case

    typed = {name: text for name in OPTIONS if (text := getattr(args, name)) is not None}
    options = {name: CLAIM.parameters[name].kind.parse(OPTIONS[name], text) for name, text in typed.items()}
    options |= {"mode": "shared"} if args.is_shared else {}
    options |= {"ignores_case": True} if ignores_case() else {}
    session_id, paths = own_address(args.session), [_path(each) for each in args.paths]
    wait_s = CLAIM.parameters["queue_s"].kind.parse("--wait", args.wait) if args.wait else 0
    with connect(args.url) as bus:
        try:
            if wait_s:
                result = bus.claims.claim_when_free(session_id, paths, wait_s=wait_s, **options)
            else:
                result = bus.claims.claim(session_id, paths, **options)
        except ClaimRefused as error:
            error.hint_for_face(HINTS)
            raise
        screen = out()
        screen.write(*renderer_of(CLAIM, is_json=args.is_json)(screen, result, {}))


def release(args: Namespace) -> None:
    """Release claims: those named by id or by path, without a name all of yours.

    What waited for these files is granted at once. With --force a person ends the claims of any session.
    """
    session_id = own_address(args.session)
    if args.is_forced and not session_id.startswith(PERSON):
        raise InvalidInput("only a person may force a release", hint="Say who you are: --as user:NAME")
    if args.is_forced and not args.claims:
        raise InvalidInput("--force needs to know which claims to end", hint="Name them: see hallway claims")
    with connect(args.url) as bus:
        ended = [
            each
            for each in _named(bus, session_id, args.claims, is_forced=args.is_forced)
            if bus.claims.release(session_id, each.claim_id, force=args.is_forced)
        ]
        screen = out()
        if args.is_json:
            screen.write(*renderer_of(ClaimRegistry.operations["list_claims"], is_json=True)(screen, ended, {}))
        else:
            screen.write(*([f"released {', '.join(each.paths)}" for each in ended] or ["Nothing to release."]))


def _named(bus: Bus, session_id: str, names: list[str], *, is_forced: bool) -> list[Claim]:
    """Return the claims that are named by the beginning of an id or by a path; without names, all of the session's."""
    filters: dict[str, Any] = {"limit": 1000, **({} if is_forced else {"session_id": session_id})}
    claims: list[Claim] = bus.claims.list_claims(**filters)
    if not names:
        return claims
    chosen: dict[str, Claim] = {}
    for name in names:
        by_id = [each for each in claims if len(name) >= MIN_PREFIX and each.claim_id.startswith(name)]
        if len(by_id) > 1:
            raise InvalidInput(
                f"{quote_value(name)} is the beginning of {len(by_id)} claims",
                hint="Type more of it: see hallway claims",
            )
        meant = by_id or [each for each in claims if checked_path(_path(name)) in each.paths]
        if not meant:
            raise ClaimNotFound(f"{'there is' if is_forced else 'you have'} no claim {quote_value(name)}")
        chosen.update((each.claim_id, each) for each in meant)
    return list(chosen.values())


def _path(typed: str) -> str:
    from hallway.local.repository_paths import path_in_repository

    return typed if typed.startswith(RESOURCE) else path_in_repository(typed)


def claim_options(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files, folders, globs, or resource:NAME")
    for name, option in OPTIONS.items():
        kind = CLAIM.parameters[name].kind
        parser.add_argument(option, dest=name, metavar=kind.metavar, help=kind.about)
    parser.add_argument("--shared", action="store_true", dest="is_shared", help="others may have shared claims, too")
    parser.add_argument("--wait", metavar="SECONDS", help="wait so long for files that are claimed: 60, 10m")
    _as_option(parser)


def release_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "claims", nargs="*", metavar="CLAIM", help="ids, as hallway claims shows them, or paths; none: all your claims"
    )
    parser.add_argument("--force", action="store_true", dest="is_forced", help="end another session's claim")
    _as_option(parser)


def _as_option(parser: ArgumentParser) -> None:
    parser.add_argument("--as", dest="session", default=ME, metavar="ID", help=f"the session, or user:NAME ({ME})")
