"""Commands that are not operations: watch, serve, login, export, import, backup, install, doctor and others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hallway.bus.connect import connect
from hallway.cli.claims import claim, claim_options, release, release_options
from hallway.cli.completion import CLIENTS, SHELLS, VALUES, complete, completion
from hallway.cli.demo import demo
from hallway.cli.guard import guard, guard_options
from hallway.cli.help import described
from hallway.cli.login import address_option, login, login_options, logout
from hallway.cli.notification_commands import add_notify_commands, notify, notify_options, watch_and_run
from hallway.cli.open_page import open_, open_options
from hallway.cli.render.events import event_line
from hallway.cli.run import bus_in_use
from hallway.cli.terminal import err, out
from hallway.cli.top.command import top, top_options
from hallway.cli.try_clients import try_, try_options
from hallway.cli.use import use, use_options
from hallway.core.errors import ExportEmpty, InvalidInput
from hallway.core.parties import sessions_in
from hallway.core.schema import Choice, Integer, Number, encode
from hallway.local.paths import HUBS, bus_address, bus_file, rules_path
from hallway.services.events import EventLog
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from hallway.agents.install.all_clients import Outcome
    from hallway.bus.base import Bus
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Event
    from hallway.hub.auth.limits import Limits

MAX_NAMES = 10_000  # that `hallway watch` keeps
RENAMES = ("session.renamed", "session.resumed", "session.continued")  # events after which a name may be another one
PORT = Integer(least=0, most=65535)
SECONDS_TO_STOP = Number(least=1, most=3600)
AMOUNT = Integer(least=0)
PROFILE = Choice("daily", "engram", "full")


def add_to(verbs: Any, shared: ArgumentParser) -> None:
    """Add the commands of this module to the parser."""
    for command in (
        watch,
        top,
        notify,
        claim,
        release,
        guard,
        serve,
        open_,
        mcp,
        login,
        logout,
        use,
        beacon,
        backup,
        export,
        import_,
        install,
        uninstall,
        hook,
        doctor,
        demo,
        try_,
        completion,
        complete,
    ):
        about, _, _ = described(command.__doc__).partition("\n")
        name = command.__name__.rstrip("_")
        parser = verbs.add_parser(name, help=about, description=described(command.__doc__), parents=[shared])
        parser.set_defaults(command=command, parser=parser)
        OPTIONS[name](parser)
        if command is notify:
            add_notify_commands(parser, shared)


def watch(args: Namespace) -> None:
    """Show events as they happen, until Ctrl-C.

    With --json each event is one line of JSON. To resume without missing an event, pass the last seq shown as --after.

    With --exec it shows no events: it runs a command once for each item that needs you. The item is the command's
    standard input, as JSON, and is in its environment as HALLWAY_ITEM_KIND, HALLWAY_ITEM_NAME, HALLWAY_ITEM_WHAT and so
    on. No shell reads the command line. --kind then names kinds of items: permission, question, request and so on.
    """
    if args.exec_command is not None:
        watch_and_run(args)
        return
    operation = EventLog.operations["read"]
    parsed = {
        name: operation.parameters[name].kind.parse(name, text)
        for name in ("after", "project", "kinds")
        if (text := getattr(args, name)) is not None
    }
    checked = operation.arguments((), parsed)
    screen = out()
    with connect(args.url) as bus:
        after = checked["after"] if "after" in parsed else None
        for event in bus.events.follow(after, project=checked["project"], kinds=checked["kinds"]):
            if not args.is_json:
                _learn_names(screen, bus, event)
            screen.write(event_line(screen, event, is_json=args.is_json))


def _learn_names(screen: Terminal, bus: Bus, event: Event) -> None:
    """Look up the names of an event's sessions that are not known yet, or that the event may have changed."""
    if event.kind in RENAMES or len(screen.names) > MAX_NAMES:
        screen.names.clear()
    unknown = [each for each in sessions_in(event) if each not in screen.names]
    if unknown:
        screen.names |= {**dict(zip(unknown, unknown, strict=True)), **bus.sessions.names_in(unknown)}


def serve(args: Namespace) -> None:
    """Serve this bus over HTTP to other programs and machines.

    Without --host it listens on this machine only. Programs of this user need no token there; other users of the
    machine need one (hallway token create). With --host every request needs a token, and the connection needs TLS,
    here or at a proxy. Ctrl-C answers the open requests and then stops; a second Ctrl-C stops sooner.

    Every hour it removes records older than --keep, as hallway prune does. Messages that a live session has not
    acknowledged are kept. It tells you of what needs you, as hallway notify does, by the same rules; --no-notifications
    switches that off.
    """
    from hallway.hub.options import NetworkOptions
    from hallway.hub.serve import serve as serve_hub
    from hallway.hub.workers.pruner import read_keep
    from hallway.web.endpoints import mount_page

    wire = NetworkOptions(
        tls_cert=args.tls_cert,
        tls_key=args.tls_key,
        is_behind_proxy=args.is_behind_proxy,
        trusted=args.trusted,
        names=tuple(args.names or ()),
        wants_tokens=args.wants_tokens,
        is_open_to_local_users=args.is_open_to_local_users,
        limits=_limits(args),
        stop_within_s=SECONDS_TO_STOP.check("stop-within", SECONDS_TO_STOP.parse("stop-within", args.stop_within)),
    )
    port = PORT.check("port", PORT.parse("port", args.port))
    keep = read_keep(args.keep, args.keep_bytes)
    url = args.store or args.url or _own_bus_if_hub_selected()
    rules = rules_path() if args.has_notifications else None
    serve_hub(args.host, port, url, args.log_format, keep=keep, wire=wire, mount_page=mount_page, rules_path=rules)


def _own_bus_if_hub_selected() -> str | None:
    """Return this user's own file if `hallway use` selected a hub, which cannot be served; else None."""
    is_hub = not os.environ.get("HALLWAY_URL") and (bus_address() or "").startswith(HUBS)
    return bus_file(None) if is_hub else None


def mcp(args: Namespace) -> None:
    """Serve this bus as an MCP server over standard input and output.

    An agent starts this command itself, once in each session. The server finds out which session it belongs to, and
    ends that session when the agent closes. --profile daily has the tools of daily work; engram has these and three
    tools of an older contract; full has every operation.
    """
    from hallway.mcp.stdio import serve as serve_mcp

    serve_mcp(PROFILE.check("profile", args.profile), args.url)


def beacon(args: Namespace) -> None:
    """Write the state of the project into a file that agents without tools can read.

    The file is at the root of the current repository. Only one marked section of it is replaced; every other line
    stays as it is. With --watch it runs until Ctrl-C and updates the section after each change.
    """
    from hallway.transfer.status_file import beacon_place, watch_beacon, write_beacon

    place = beacon_place(args.file)
    path = os.path.join(*place)
    screen = out()
    with connect(args.url) as bus:
        for has_changed in watch_beacon(bus, *place) if args.is_watching else [write_beacon(bus, *place)]:
            result = encode({"path": path, "has_changed": has_changed})
            text = f"{'Wrote' if has_changed else 'Nothing new for'} {sanitize(path)}"
            screen.write(clean_json(result) if args.is_json else text)


def backup(args: Namespace) -> None:
    """Copy this user's bus into a file while other programs use the bus, and check the copy.

    Do not copy bus.db yourself: the newest data is in bus.db-wal beside it. The backup is one file that holds all data.
    To restore it, stop all programs that use the bus, remove bus.db, bus.db-wal and bus.db-shm, and copy the backup to
    bus.db.
    """
    from hallway.store.sqlite_backup import back_up, require_own_file

    url = bus_address(args.url)
    require_own_file(url)
    path = os.path.abspath(os.path.expanduser(args.path))
    held = back_up(bus_file(url), path)
    screen = out()
    if args.is_json:
        screen.write(clean_json(encode({"path": path, **held})))
        return
    rows = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in held.items() if name != "size_bytes")
    screen.write(f"Backed up to {sanitize(path)}, and checked: {rows}; {held['size_bytes']:,} bytes")


def export(args: Namespace) -> None:
    """Write the bus, or one project of it, to standard output as JSON Lines.

    The export contains sessions, messages, tasks, memory and events, with their ids, times and versions, and for each
    session the name of the token that registered it. With --with-tokens it also contains the valid tokens, as hashes:
    keep such a file private. It is made from the bus's own file or database, not through a hub. Standard error shows
    the bus and the number of records. An empty export is an error.
    """
    from hallway.cli.doctor import local_file
    from hallway.cli.render.parts import in_numbers
    from hallway.transfer.export_import import count_records, export_lines

    screen, where = out(), bus_in_use(args.url)
    if hasattr(screen.stream, "reconfigure"):
        screen.stream.reconfigure(encoding="utf-8")
    path = local_file(args.url)
    if path and not os.path.exists(path) and not args.is_empty_allowed:
        raise ExportEmpty(f"there is nothing to export: {where} does not exist")
    counts: dict[str, int] = {}
    with connect(args.url) as bus:
        total = count_records(bus, args.project) + (len(bus.tokens.valid()) if args.with_tokens else 0)
        if not total and not args.is_empty_allowed:
            of = f" of the project {args.project!r}" if args.project else ""
            raise ExportEmpty(f"there is nothing to export{of}: the bus is {where}")
        lines = export_lines(bus, args.project, _progress(total), with_tokens=args.with_tokens, counts=counts)
        for line in lines:
            screen.stream.write(clean_json(line) + "\n")
    err().write(f"Exported from {sanitize(where)}: {in_numbers(counts.items()) or 'nothing'}")


def import_(args: Namespace) -> int:
    """Import an export, or an older .sessions/ folder.

    It works through a hub, too, with an admin's token. Records that the bus does not have are added; existing records
    are not changed. A second import of the same file therefore adds nothing. If a line of the file is malformed,
    nothing is imported. If a record was left out, it is named with the reason, and the exit status is 1. Tokens are
    imported only with --with-tokens, because they open this bus to their bearers: import them only from a file that
    you trust.
    """
    from hallway.cli.render.transfer import imported
    from hallway.transfer.export_import import import_file
    from hallway.transfer.legacy import import_folder

    is_folder = os.path.isdir(args.path)
    if is_folder:
        wanted, unusable = "a file", {"--with-tokens": args.with_tokens}
    else:
        wanted, unusable = "a .sessions/ folder", {"--project": args.project, "--allow-secret": args.allow_secret}
    for flag, is_given in unusable.items():
        if is_given:
            raise InvalidInput(f"{flag} is for {wanted}, but {args.path} is none", hint=f"Leave out {flag}")
    with connect(args.url) as bus:
        if is_folder:
            outcome = import_folder(bus, args.path, args.project, _progress(), allow_secret=args.allow_secret)
        else:
            outcome = import_file(bus, args.path, _progress(), with_tokens=args.with_tokens)
    screen = out()
    screen.write(*([clean_json(encode(outcome))] if args.is_json else imported(screen, outcome)))
    return 1 if outcome.refused else 0


def _progress(total: int | None = None) -> Callable[[int], None] | None:
    """Return a function that shows the progress of a long command; None if standard error is not a terminal."""
    screen = err()
    if screen.width is None:
        return None

    def show(count: int) -> None:
        screen.stream.write(f"\r{count:,}" + (f" of about {total:,}" if total else "") + " lines\x1b[K\r")
        screen.stream.flush()

    return show


def hook(args: Namespace) -> None:
    """Handle a hook event of a client. The client's hooks run this command.

    It reads the client's payload from standard input and prints what is new for the session's agent, if anything. The
    exit status is always 0; hallway doctor shows what went wrong.
    """
    from hallway.agents.hook.main import main

    main([args.client, *args.event])


def install(args: Namespace) -> int:
    """Add hallway to the coding agents on this machine.

    Without names it does so for every agent that it finds. The names: claude-code, codex, gemini, opencode, qwen,
    copilot, cursor, pi.
    It adds hallway's tools and hooks to the agent's configuration and changes nothing else in it; hallway uninstall
    removes them. With --dry-run it only shows the changes.

    With --guard it adds hallway guard to the git hooks of this repository, before what they do already. Then a commit
    or a push of files that another session has claimed is refused.
    """
    from hallway.agents.install.all_clients import install

    return _tell_outcomes(install(args.agents, **_install_scope(args)), args, is_undoing=False)


def uninstall(args: Namespace) -> int:
    """Remove hallway from the configuration of the coding agents, and from the git hooks of every repository.

    With --guard only from the git hooks of this repository. A file that nobody has changed since the installation
    becomes byte for byte what it was before.
    """
    from hallway.agents.install.all_clients import uninstall

    return _tell_outcomes(uninstall(args.agents, **_install_scope(args)), args, is_undoing=True)


def _install_scope(args: Namespace) -> dict[str, bool]:
    return {"is_project": args.is_project, "is_dry": args.is_dry, "has_guard": args.has_guard}


def _tell_outcomes(outcomes: list[Outcome], args: Namespace, *, is_undoing: bool) -> int:
    """Show the result for each client; return the exit status of the first error, 0 if there is none."""
    from hallway.cli.render.install import installed

    screen = out()
    if args.is_json:
        screen.write(clean_json(encode([outcome.to_dict() for outcome in outcomes])))
    else:
        screen.write(*installed(screen, outcomes, is_undoing=is_undoing))
        if outcomes and not is_undoing:
            screen.write(f"Bus: {sanitize(bus_in_use())}")
    return next((outcome.error.exit_status for outcome in outcomes if outcome.error), 0)


def doctor(args: Namespace) -> int:
    """Check the installation, and show for each problem what to do.

    It changes nothing, and it does not create a missing bus. The exit status is 1 if a check fails.
    """
    from itertools import chain

    from hallway.cli.doctor import examine, local_file, show_findings
    from hallway.cli.doctor_agents import examine_agents
    from hallway.cli.doctor_notifications import examine_notifications
    from hallway.cli.doctor_project import examine_project

    address = bus_address(args.url)
    checks = examine(args.url), examine_project(address), examine_notifications(address)
    findings = chain(*checks, examine_agents(local_file(args.url)))
    return show_findings(out(), findings, is_json=args.is_json)


def _watch_options(parser: ArgumentParser) -> None:
    parameters = EventLog.operations["read"].parameters
    for name, option in (("project", "--project"), ("kinds", "--kind"), ("after", "--after")):
        kind = parameters[name].kind
        parser.add_argument(option, dest=name, metavar=kind.metavar, help=kind.about)
    about = "run this command once for each item that needs you, instead of showing events"
    parser.add_argument("--exec", dest="exec_command", metavar="CMD", help=about)


def _limits(args: Namespace) -> Limits:
    from hallway.hub.auth.limits import Limits

    asked = {"requests_per_s": args.limit_requests, "waits": args.limit_waits, "bytes_per_hour": args.limit_bytes}
    return Limits(**{name: AMOUNT.check(name, AMOUNT.parse(name, text)) for name, text in asked.items() if text})


def _serve_options(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument(
        "--store",
        metavar="URL",
        help="the store to serve: a folder, sqlite:///PATH, postgresql://… (else: HALLWAY_URL)",
    )
    parser.add_argument("--port", default="7433", help="the port to listen on; 0: any free port (7433)")
    parser.add_argument(
        "--keep",
        default=os.environ.get("HALLWAY_KEEP") or "30d",
        metavar="AGE",
        help="remove records older than this age: 90d, 12h, forever (else: HALLWAY_KEEP; 30d)",
    )
    parser.add_argument(
        "--keep-bytes",
        default=os.environ.get("HALLWAY_KEEP_BYTES") or None,
        metavar="BYTES",
        help="remove the oldest messages beyond this size in bytes (else: HALLWAY_KEEP_BYTES; no limit)",
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="the TLS certificate, with its chain of issuers")
    parser.add_argument("--tls-key", metavar="FILE", help="the private key of the TLS certificate")
    parser.add_argument(
        "--behind-proxy",
        action="store_true",
        dest="is_behind_proxy",
        help="a proxy in front of the hub does the TLS; trust its headers about the caller's address",
    )
    parser.add_argument(
        "--trust-proxy",
        default="127.0.0.1,::1",
        dest="trusted",
        metavar="ADDRESSES",
        help="with --behind-proxy: the addresses of the proxy (127.0.0.1,::1)",
    )
    parser.add_argument(
        "--name",
        action="append",
        dest="names",
        metavar="HOST",
        help="a host name of this hub, as callers use it; with the port unless it is 80 or 443",
    )
    parser.add_argument(
        "--require-tokens",
        action="store_true",
        dest="wants_tokens",
        help="require a token also from programs on this machine; other machines always need one",
    )
    parser.add_argument(
        "--open-to-local-users",
        action="store_true",
        dest="is_open_to_local_users",
        help="allow every user of this machine to read and write everything without a token",
    )
    parser.add_argument("--limit-requests", metavar="N", help="requests per second per token; 0: no limit (500)")
    parser.add_argument("--limit-waits", metavar="N", help="open streams and waiting requests per token (200)")
    parser.add_argument("--limit-bytes", metavar="N", help="bytes that a token may write per hour (268435456)")
    parser.add_argument(
        "--stop-within",
        default="10",
        metavar="SECONDS",
        help="the longest time for open requests when the hub stops; behind a proxy, half of it is for the proxy to"
        " notice (10)",
    )
    parser.add_argument(
        "--no-notifications",
        action="store_false",
        dest="has_notifications",
        help="send no notifications by the rules of hallway notify",
    )
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="the log's format (text)")


def _mcp_options(parser: ArgumentParser) -> None:
    about = f"the set of tools: {', '.join(PROFILE.choices)}"
    parser.add_argument("--profile", default=PROFILE.choices[0], metavar="PROFILE", help=about)


def _beacon_options(parser: ArgumentParser) -> None:
    parser.add_argument("--file", default=".STATUS", metavar="NAME", help="the file to write (.STATUS)")
    parser.add_argument("--watch", action="store_true", dest="is_watching", help="run on, and write after each change")


def _backup_options(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="the backup to write; this file must not exist yet")


def _export_options(parser: ArgumentParser) -> None:
    parser.add_argument("--project", metavar="PROJECT", help="only this project")
    parser.add_argument("--with-tokens", action="store_true", help="also the valid tokens, as hashes")
    parser.add_argument("--allow-empty", action="store_true", dest="is_empty_allowed", help="export nothing, too")


def _import_options(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="an export, or an older .sessions/ folder")
    parser.add_argument("--project", metavar="PROJECT", help="for a .sessions/ folder: the project to import into")
    parser.add_argument("--with-tokens", action="store_true", help="also the tokens in the export")
    parser.add_argument(
        "--allow-secret", action="store_true", help="for a .sessions/ folder: also records with a key or a token"
    )


def _hook_options(parser: ArgumentParser) -> None:
    parser.add_argument("client", metavar="CLIENT", help="the client that runs the hook: claude-code, codex, gemini …")
    parser.add_argument("event", metavar="EVENT", nargs="*", help="the hook event, if the payload does not name it")


def _install_options(parser: ArgumentParser) -> None:
    parser.add_argument("agents", nargs="*", metavar="AGENT", help="the agents (all that are found)")
    parser.add_argument("--project", action="store_true", dest="is_project", help="in this repository's configuration")
    parser.add_argument("--guard", action="store_true", dest="has_guard", help="hallway guard in the git hooks here")
    parser.add_argument("--dry-run", action="store_true", dest="is_dry", help="show the changes, but do not make them")


def _no_options(parser: ArgumentParser) -> None:
    pass


def _completion_options(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell to complete commands in")


def _complete_options(parser: ArgumentParser) -> None:
    parser.add_argument("what", choices=(*VALUES, CLIENTS), metavar="WHAT", help="what the shell completes")


OPTIONS = {
    "watch": _watch_options,
    "top": top_options,
    "notify": notify_options,
    "claim": claim_options,
    "release": release_options,
    "guard": guard_options,
    "serve": _serve_options,
    "open": open_options,
    "mcp": _mcp_options,
    "login": login_options,
    "logout": address_option,
    "use": use_options,
    "beacon": _beacon_options,
    "backup": _backup_options,
    "export": _export_options,
    "import": _import_options,
    "hook": _hook_options,
    "install": _install_options,
    "uninstall": _install_options,
    "doctor": _no_options,
    "demo": _no_options,
    "try": try_options,
    "completion": _completion_options,
    "complete": _complete_options,
}
