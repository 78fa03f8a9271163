"""The commands that are no operations: watch, serve, doctor, completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roost.bus import connect
from roost.cli.render import event_line
from roost.cli.screen import err, out
from roost.schema import Integer
from roost.services.events import EventLog

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SHELLS = ("bash", "zsh", "fish")
PORT = Integer(least=0, most=65535)


def add_to(verbs: Any, shared: ArgumentParser) -> None:
    """Give the parser these commands."""
    for command in (watch, serve, doctor, completion):
        about, _, _ = (command.__doc__ or "").partition("\n")
        parser = verbs.add_parser(
            command.__name__, help=about, description=described(command.__doc__), parents=[shared]
        )
        parser.set_defaults(command=command, parser=parser)
        OPTIONS[command.__name__](parser)


def described(docstring: str | None) -> str:
    """A docstring as a help page's text."""
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

    It listens on this machine only unless --host says otherwise; Ctrl-C ends it once the requests at hand are
    answered.
    """
    from roost.hub.serve import serve as serve_hub

    port = PORT.check("port", PORT.parse("port", args.port))
    serve_hub(host=args.host, port=port, url=args.url, log_format=args.log_format)


def doctor(args: Namespace) -> int:
    """Tell what is where, what is wrong, and what to do about it.

    It looks and changes nothing; a bus that is not there is not made. The exit status is 1 when something fails.
    """
    from roost.cli.doctor import examine, show_findings

    return show_findings(out(), examine(args.url), is_json=args.is_json)


def completion(args: Namespace) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(roost completion bash)" in ~/.bashrc. For zsh: roost completion zsh > a folder of $fpath/_roost.
    For fish: roost completion fish > ~/.config/fish/completions/roost.fish.
    """
    import shtab

    from roost.cli.main import build_parser

    screen = out()
    screen.stream.write(shtab.complete(build_parser(has_choices=True), args.shell) + "\n")
    if screen.has_colour:
        err().write("This is a script for the shell to read, see: roost completion --help")


def _watch_options(parser: ArgumentParser) -> None:
    parameters = EventLog.operations["read"].parameters
    for name, option in (("project", "--project"), ("kinds", "--kind"), ("after", "--after")):
        kind = parameters[name].kind
        parser.add_argument(option, dest=name, metavar=kind.metavar, help=kind.about)


def _serve_options(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", default="7433", help="the port to listen on; 0: any that is free (7433)")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="how the log reads (text)")


def _doctor_options(parser: ArgumentParser) -> None:
    pass


def _completion_options(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell it is for")


OPTIONS = {
    "watch": _watch_options,
    "serve": _serve_options,
    "doctor": _doctor_options,
    "completion": _completion_options,
}
