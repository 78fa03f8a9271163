"""The commands that are no operations: what a bus is watched, served, carried over and looked after with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hallway.bus.connect import connect
from hallway.cli.login import address_option, login, logout
from hallway.cli.open_page import open_, open_options
from hallway.cli.render.events import event_line
from hallway.cli.terminal import err, out
from hallway.core.schema import Choice, Integer, Number, encode
from hallway.local.paths import bus_file
from hallway.services.events import EventLog
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from hallway.agents.install import Outcome
    from hallway.hub.auth.limits import Limits

SHELLS = ("bash", "zsh", "fish")
PORT = Integer(least=0, most=65535)
SECONDS_TO_STOP = Number(least=1, most=3600)
AMOUNT = Integer(least=0)
PROFILE = Choice("daily", "engram", "full")


def add_to(verbs: Any, shared: ArgumentParser) -> None:
    """Give the parser these commands."""
    for command in (
        watch,
        serve,
        open_,
        mcp,
        login,
        logout,
        beacon,
        backup,
        export,
        import_,
        install,
        uninstall,
        hook,
        doctor,
        completion,
    ):
        about, _, _ = (command.__doc__ or "").partition("\n")
        name = command.__name__.rstrip("_")
        parser = verbs.add_parser(name, help=about, description=described(command.__doc__), parents=[shared])
        parser.set_defaults(command=command, parser=parser)
        OPTIONS[name](parser)


def described(docstring: str | None) -> str:
    """Return a docstring as a help page's text."""
    return "\n".join(line.strip() for line in (docstring or "").strip().splitlines())


def watch(args: Namespace) -> None:
    """Show events as they happen, until Ctrl-C.

    With --json each event is one line of JSON. Resumed with --after and the last seq it showed, it misses nothing.
    """
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
            screen.write(event_line(screen, event, is_json=args.is_json))


def serve(args: Namespace) -> None:
    """Serve this bus over HTTP to other programs and machines.

    It listens on this machine only unless --host says otherwise, and answers this user's programs there; other users
    of the machine need a token (hallway token create). With --host every request needs one, and there is TLS or a
    proxy that has it. Ctrl-C ends it once the requests at hand are answered; a second Ctrl-C hurries it.

    Every hour it removes what is older than --keep, as hallway prune does: never what a live session has not
    acknowledged.
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
    url = args.store or args.url
    serve_hub(args.host, port, url, args.log_format, keep=keep, wire=wire, mount_page=mount_page)


def mcp(args: Namespace) -> None:
    """Serve this bus to the agent that starts it, over standard input and output.

    Agents are configured to start it: it is the session's own process, finds out which session that is, and ends it
    when the agent closes. The profile daily has the tools of daily work; engram those and three of an older contract;
    full every operation.
    """
    from hallway.mcp.stdio import serve as serve_mcp

    serve_mcp(PROFILE.check("profile", args.profile), args.url)


def beacon(args: Namespace) -> None:
    """Write what goes on into a file that agents without tools can read.

    It keeps one marked section of the file up to date, at the root of the repository this runs in, and leaves every
    other line as it is. With --watch it stays and writes again whenever something has happened, until Ctrl-C.
    """
    from hallway.transfer.status_file import beacon_path, watch_beacon, write_beacon

    path = beacon_path(args.file)
    screen = out()
    with connect(args.url) as bus:
        for has_changed in watch_beacon(bus, path) if args.is_watching else [write_beacon(bus, path)]:
            said = encode({"path": path, "has_changed": has_changed})
            text = f"{'Wrote' if has_changed else 'Nothing new for'} {sanitize(path)}"
            screen.write(clean_json(said) if args.is_json else text)


def backup(args: Namespace) -> None:
    """Copy this user's bus into a file while others use it, and check the copy.

    Never copy bus.db itself: what was written last is in bus.db-wal beside it. The copy is one file that holds
    everything. To go back to it, stop what uses the bus, remove bus.db, bus.db-wal and bus.db-shm, and copy it there.
    """
    from hallway.store.sqlite_backup import back_up, require_own_file

    url = args.url or os.environ.get("HALLWAY_URL") or None
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

    Everything is in it, with ids, times and versions: sessions, messages, tasks, memory and events.
    """
    from hallway.transfer.export_import import count_records, export_lines

    screen = out()
    if hasattr(screen.stream, "reconfigure"):
        screen.stream.reconfigure(encoding="utf-8")
    with connect(args.url) as bus:
        progress = _progress(count_records(bus, args.project))
        for line in export_lines(bus, args.project, progress):
            screen.stream.write(clean_json(line) + "\n")


def import_(args: Namespace) -> None:
    """Take over an export, or an older .sessions/ folder.

    It adds what is not there and changes nothing that is, so doing it twice is doing it once. Of a file with a
    malformed line nothing is taken.
    """
    from hallway.cli.render.transfer import imported
    from hallway.transfer.export_import import import_file
    from hallway.transfer.legacy import import_folder

    with connect(args.url) as bus:
        if os.path.isdir(args.path):
            outcome = import_folder(bus, args.path, args.project, _progress())
        else:
            outcome = import_file(bus, args.path, _progress())
    screen = out()
    screen.write(*([clean_json(encode(outcome))] if args.is_json else imported(screen, outcome)))


def _progress(total: int | None = None) -> Callable[[int], None] | None:
    """Show on a terminal how far a long command has come."""
    screen = err()
    if screen.width is None:
        return None

    def show(count: int) -> None:
        screen.stream.write(f"\r{count:,}" + (f" of about {total:,}" if total else "") + " lines\x1b[K\r")
        screen.stream.flush()

    return show


def hook(args: Namespace) -> None:
    """Tell the bus what happened in a client; what the client's own hooks run.

    It reads the client's payload from standard input, answers with what is new for the session's agent, if anything
    is, and exits with 0 whatever happens. What went wrong, hallway doctor tells.
    """
    from hallway.agents.hook.main import main

    main([args.client, *args.event])


def install(args: Namespace) -> int:
    """Make the coding agents on this machine know hallway.

    Without names it is all that are found: claude-code, codex, gemini, opencode, qwen, copilot, cursor. Each gets
    hallway's tools and hooks in its own configuration; everything else in there stays as it is, and hallway uninstall
    undoes it. With --dry-run it shows what it would change.
    """
    from hallway.agents.install import install

    return _tell_outcomes(install(args.agents, is_project=args.is_project, is_dry=args.is_dry), args, is_undoing=False)


def uninstall(args: Namespace) -> int:
    """Take hallway out of the coding agents again.

    Files that nobody has changed since are byte for byte what they were before.
    """
    from hallway.agents.install import uninstall

    return _tell_outcomes(uninstall(args.agents, is_project=args.is_project, is_dry=args.is_dry), args, is_undoing=True)


def _tell_outcomes(outcomes: list[Outcome], args: Namespace, *, is_undoing: bool) -> int:
    """Show what became of each client; return the exit status: that of the first error, if there is one."""
    from hallway.cli.render.install import installed

    screen = out()
    said = clean_json(encode([outcome.to_dict() for outcome in outcomes])) if args.is_json else None
    screen.write(*([said] if said is not None else installed(screen, outcomes, is_undoing=is_undoing)))
    return next((outcome.error.exit_status for outcome in outcomes if outcome.error), 0)


def doctor(args: Namespace) -> int:
    """Tell what is where, what is wrong, and what to do about it.

    It looks and changes nothing; a bus that is not there is not made. The exit status is 1 when something fails.
    """
    from itertools import chain

    from hallway.cli.doctor import examine, local_file, show_findings
    from hallway.cli.doctor_agents import examine_agents

    findings = chain(examine(args.url), examine_agents(local_file(args.url)))
    return show_findings(out(), findings, is_json=args.is_json)


def completion(args: Namespace) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(hallway completion bash)" in ~/.bashrc.
    For zsh: hallway completion zsh > a folder of $fpath/_hallway.
    For fish: hallway completion fish > ~/.config/fish/completions/hallway.fish.
    """
    import shtab

    screen = out()
    screen.stream.write(shtab.complete(args.build_parser(has_choices=True), args.shell) + "\n")
    if screen.has_colour:
        err().write("This is a script for the shell to read, see: hallway completion --help")


def _watch_options(parser: ArgumentParser) -> None:
    parameters = EventLog.operations["read"].parameters
    for name, option in (("project", "--project"), ("kinds", "--kind"), ("after", "--after")):
        kind = parameters[name].kind
        parser.add_argument(option, dest=name, metavar=kind.metavar, help=kind.about)


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
    parser.add_argument("--port", default="7433", help="the port to listen on; 0: any that is free (7433)")
    parser.add_argument(
        "--keep",
        default=os.environ.get("HALLWAY_KEEP") or "30d",
        metavar="AGE",
        help="remove what is older: 90d, 12h, forever (else: HALLWAY_KEEP; 30d)",
    )
    parser.add_argument(
        "--keep-bytes",
        default=os.environ.get("HALLWAY_KEEP_BYTES") or None,
        metavar="BYTES",
        help="remove the oldest messages beyond that size (else: HALLWAY_KEEP_BYTES; any)",
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="the certificate to speak TLS with, and those above it")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key")
    parser.add_argument(
        "--behind-proxy",
        action="store_true",
        dest="is_behind_proxy",
        help="a proxy in front has the TLS; believe what it says of where requests come from",
    )
    parser.add_argument(
        "--trust-proxy",
        default="127.0.0.1,::1",
        dest="trusted",
        metavar="ADDRESSES",
        help="behind a proxy: the addresses it calls from (127.0.0.1,::1)",
    )
    parser.add_argument(
        "--name",
        action="append",
        dest="names",
        metavar="HOST",
        help="a host name that callers reach this hub by; with its port where that is neither 80 nor 443",
    )
    parser.add_argument(
        "--require-tokens",
        action="store_true",
        dest="wants_tokens",
        help="demand a token on this machine, too; elsewhere it always is",
    )
    parser.add_argument(
        "--open-to-local-users",
        action="store_true",
        dest="is_open_to_local_users",
        help="every user of this machine may read and write everything without a token, as you may",
    )
    parser.add_argument("--limit-requests", metavar="N", help="requests a second of one token; 0: any number (500)")
    parser.add_argument("--limit-waits", metavar="N", help="open streams and waits of one token (200)")
    parser.add_argument("--limit-bytes", metavar="N", help="bytes that one token writes in an hour (268435456)")
    parser.add_argument(
        "--stop-within",
        default="10",
        metavar="SECONDS",
        help="when told to stop, answer what is under way for at most so long; behind a proxy half of it is for the"
        " proxy to notice (10)",
    )
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="how the log reads (text)")


def _mcp_options(parser: ArgumentParser) -> None:
    about = f"which tools it has: {', '.join(PROFILE.choices)}"
    parser.add_argument("--profile", default=PROFILE.choices[0], metavar="PROFILE", help=about)


def _beacon_options(parser: ArgumentParser) -> None:
    parser.add_argument("--file", default=".STATUS", metavar="NAME", help="the file to keep it in (.STATUS)")
    parser.add_argument("--watch", action="store_true", dest="is_watching", help="stay, and write when things change")


def _backup_options(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="a file that is not there yet")


def _export_options(parser: ArgumentParser) -> None:
    parser.add_argument("--project", metavar="PROJECT", help="only this project")


def _import_options(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="an export, or an older .sessions/ folder")
    parser.add_argument("--project", metavar="PROJECT", help="of an older folder: the project that it goes to")


def _hook_options(parser: ArgumentParser) -> None:
    parser.add_argument("client", metavar="CLIENT", help="the client that runs it: claude-code, codex, gemini …")
    parser.add_argument("event", metavar="EVENT", nargs="*", help="what happened, where the payload does not say")


def _install_options(parser: ArgumentParser) -> None:
    parser.add_argument("agents", nargs="*", metavar="AGENT", help="the agents (all that are found)")
    parser.add_argument("--project", action="store_true", dest="is_project", help="in this repository's configuration")
    parser.add_argument("--dry-run", action="store_true", dest="is_dry", help="show the changes and make none")


def _doctor_options(parser: ArgumentParser) -> None:
    pass


def _completion_options(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell it is for")


OPTIONS = {
    "watch": _watch_options,
    "serve": _serve_options,
    "open": open_options,
    "mcp": _mcp_options,
    "login": address_option,
    "logout": address_option,
    "beacon": _beacon_options,
    "backup": _backup_options,
    "export": _export_options,
    "import": _import_options,
    "hook": _hook_options,
    "install": _install_options,
    "uninstall": _install_options,
    "doctor": _doctor_options,
    "completion": _completion_options,
}
