"""`hallway notify`: be told of what needs you, by the rules of one file; with `add`, `list` and `test` for that file.

`hallway watch --exec` uses the same dispatcher, with one rule of its own instead of the file's.
"""

from __future__ import annotations

import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from hallway.bus.connect import connect
from hallway.cli.help import described
from hallway.cli.run import bus_in_use
from hallway.cli.terminal import Column, err, out, table
from hallway.core.errors import FileUnusable, HallwayError, InvalidInput
from hallway.core.model import ATTENTION_KINDS
from hallway.core.schema import encode
from hallway.local.paths import rules_path
from hallway.notifications.sink_words import SEQUENCES, SINK_TYPES
from hallway.text.sanitize import clean_json, sanitize
from hallway.text.style import age

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from hallway.cli.terminal import Terminal
    from hallway.core.model import NotificationChannel
    from hallway.notifications.notification import Notification
    from hallway.notifications.sinks import Sink

ITEMS = ", ".join(ATTENTION_KINDS)
MAX_INPUT = 10_000


def notify(args: Namespace) -> None:
    """Tell you of what needs you, in the ways that your rules name, until Ctrl-C.

    The rules are in one file, which hallway notify list names and hallway notify add adds to; after that you may edit
    it. Each item is sent once in each way, by whichever of your programs is first: hallway serve does the same by the
    same rules. Nothing is sent for what no longer needs you.
    """
    from hallway.notifications.dispatcher import Dispatcher
    from hallway.notifications.rules import read_rules

    signal.signal(signal.SIGTERM, _end)
    path = rules_path()
    rules = read_rules(path)
    if not rules.rules:
        raise FileUnusable(f"{path} has no rules", hint="hallway notify add desktop")
    screen = out()
    if not args.is_json:
        ways = ", ".join(sorted({name for rule in rules.rules for name in rule.sinks}))
        screen.write(f"Bus: {sanitize(bus_in_use(args.url))}", f"You are told by: {sanitize(ways)}. To end: Ctrl-C")
        screen.stream.flush()
    report = partial(_show_report, screen, is_json=args.is_json)
    Dispatcher(partial(connect, args.url), report, path=path).run()


def watch_and_run(args: Namespace) -> None:
    """Run a command once for each item that needs a person, for `hallway watch --exec`."""
    from hashlib import sha256

    from hallway.notifications.command_sink import split_command
    from hallway.notifications.dispatcher import Dispatcher
    from hallway.notifications.rules import NotificationRule, Rules, SinkOptions

    signal.signal(signal.SIGTERM, _end)
    words = split_command(args.exec_command)
    if args.after is not None:
        raise InvalidInput("--after is about events, and --exec about items that need you", hint="Leave out --after")
    name = f"exec-{sha256(encode(words).encode()).hexdigest()[:12]}"
    options = SinkOptions(name, "command", command=args.exec_command)
    rules = Rules([NotificationRule([name], kinds=_kinds(args.kinds))], {name: options})
    Dispatcher(partial(connect, args.url), _show_failure, rules=rules, project=args.project).run()


def _end(number: int, frame: object) -> NoReturn:
    """End the program at SIGTERM as one that was asked to."""
    sys.exit(0)


def _kinds(typed: str | None) -> list[str]:
    kinds = [each.strip() for each in (typed or "").split(",") if each.strip()]
    for each in kinds:
        if each not in ATTENTION_KINDS:
            raise InvalidInput(f"--kind is {each!r}, but items have these kinds: {ITEMS}")
    return kinds


def _show_report(
    screen: Terminal, sink: Sink, notification: Notification, error: HallwayError | None, *, is_json: bool
) -> None:
    if is_json:
        told = {"sink": sink.name, "error": error and error.message, **notification.to_dict(has_text=True)}
        screen.write(clean_json(encode(told)))
    else:
        mark = screen.paint("✓", "green") if error is None else screen.paint("✗", "red")
        why = f": {sanitize(error.message)}" if error else ""
        screen.write(f"{time.strftime('%H:%M:%S')} {mark} {sanitize(sink.name)}  {notification.headline}{why}")
    screen.stream.flush()


def _show_failure(sink: Sink, notification: Notification, error: HallwayError | None) -> None:
    if error:
        err().write(f"{sanitize(notification.headline)}: {sanitize(error.message)}")


# -- the rules file ---------------------------------------------------------------------------------------------------


def list_ways(args: Namespace) -> None:
    """Show the rules file: the ways in which you are told, and what was sent in each; secrets are not shown."""
    from hallway.notifications.rules import read_rules
    from hallway.notifications.sink_types import sink_for

    path = rules_path()
    rules = read_rules(path)
    sinks = [sink_for(options) for options in rules.sinks.values()]
    with connect(args.url) as bus:
        found = {each.channel: each for each in bus.notifications.list_channels()}
    screen = out()
    if args.is_json:
        ways = [
            {"name": each.name, "type": each.type, "to": each.describe(), "channel": found.get(each.channel)}
            for each in sinks
        ]
        told = {"path": path, "sinks": ways, "rules": [each.to_dict() for each in rules.rules]}
        screen.write(clean_json(encode(told)))
        return
    screen.write(f"Rules: {sanitize(path)}")
    columns = (Column("NAME"), Column("TO", is_precious=True), Column("SENT"), Column("LAST"), Column("TROUBLE"))
    rows = [(each.name, each.describe(), *_counts(screen, found.get(each.channel))) for each in sinks]
    screen.write(*(table(screen, columns, rows) if rows else ["No ways yet: hallway notify add desktop"]))
    screen.write("", *(sanitize(each.describe()) for each in rules.rules))


def _counts(screen: Terminal, channel: NotificationChannel | None) -> tuple[str, str, str]:
    if channel is None:
        return "0", "", ""
    last = age(channel.last_sent_at, screen.now_s) if channel.last_sent_at else ""
    return str(channel.by_state.get("sent", 0)), last, channel.last_error or ""


def try_ways(args: Namespace) -> int:
    """Send a test notification in every way, or in those that you name; the exit status is 1 if one fails."""
    from hallway.notifications.notification import sample_notification
    from hallway.notifications.rules import read_rules
    from hallway.notifications.sink_types import sink_for

    path = rules_path()
    rules = read_rules(path)
    if unknown := [each for each in args.names if each not in rules.sinks]:
        raise InvalidInput(f"{path} has no sink {unknown[0]!r}", hint=f"It has: {', '.join(rules.sinks) or 'none'}")
    if not rules.sinks:
        raise FileUnusable(f"{path} has no sinks", hint="hallway notify add desktop")
    screen = out()
    results: dict[str, HallwayError | None] = {}
    for name in args.names or rules.sinks:
        try:
            sink_for(rules.sinks[name]).send(sample_notification())
            results[name] = None
        except HallwayError as error:
            results[name] = error
        if not args.is_json:
            _show_test(screen, name, results[name])
    if args.is_json:
        screen.write(clean_json(encode({name: error and error.to_dict()["error"] for name, error in results.items()})))
    return int(any(results.values()))


def _show_test(screen: Terminal, name: str, error: HallwayError | None) -> None:
    if error is None:
        screen.write(f"{screen.paint('✓', 'green')} {sanitize(name)}: sent")
    else:
        screen.write(f"{screen.paint('✗', 'red')} {sanitize(name)}: {sanitize(error.message)}", f"  → {error.hint}")


def add_way(args: Namespace) -> None:
    """Add a way in which you are told, and a rule for it, to the rules file; its comments stay.

    desktop and terminal need nothing more; webhook and apprise need a URL, command a command line. Write - to read it
    from standard input, for a URL with a secret in it. What leaves the machine is the headline only (who, what kind,
    which project), unless you say --send-text. A webhook gets a secret of its own, in the file, to check its signature
    with.
    """
    from hallway.notifications.rules import NEEDED
    from hallway.notifications.rules_file import add_sink
    from hallway.notifications.sink_types import sink_for

    option, value = NEEDED.get(args.type), args.value
    if value == "-":
        value = sys.stdin.readline(MAX_INPUT).strip()
    if bool(option) != bool(value):
        raise InvalidInput(
            f"hallway notify add {args.type} needs its {option}" if option else f"{args.type} takes nothing more",
            hint="See: hallway notify add --help",
        )
    sink: dict[str, Any] = {"type": args.type, **({option: value} if option else {})}
    if args.type == "webhook":
        from secrets import token_urlsafe

        sink["secret"] = token_urlsafe(32)
    sink |= {name: True for name in ("send_text", "allow_private", "answers") if getattr(args, name)}
    if args.type == "terminal" and args.sequence:
        sink["sequence"] = args.sequence
    rule: dict[str, Any] = {
        name: _words(text) for name in ("kinds", "who", "projects", "quiet") if (text := getattr(args, name))
    }
    rule |= {"delay": args.delay} if args.delay else {}
    rule |= {name: True for name in ("unless_seen", "urgent_only", "urgent_anyway") if getattr(args, name)}
    path = rules_path()
    name = args.name or args.type
    added = sink_for(add_sink(path, name, sink, rule, args.hub_url))
    screen = out()
    if args.is_json:
        screen.write(clean_json(encode({"path": path, "name": name, "to": added.describe()})))
        return
    screen.write(f"Added {sanitize(name)}, {sanitize(added.describe())}, to {sanitize(path)}")
    if lack := added.missing():
        err().write(f"{lack[0]}: {lack[1]}")
    screen.write(f"Try it: hallway notify test {sanitize(name)}", "Then have it run: hallway notify, or hallway serve")


def _words(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


# -- options ----------------------------------------------------------------------------------------------------------


def notify_options(parser: ArgumentParser) -> None:
    pass


def add_notify_commands(parser: ArgumentParser, shared: ArgumentParser) -> None:
    """Add the commands below `hallway notify`."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=type(parser))
    for name, command, options in (
        ("add", add_way, _add_options),
        ("list", list_ways, notify_options),
        ("test", try_ways, _test_options),
    ):
        text = described(command.__doc__)
        below = commands.add_parser(name, help=text.partition("\n")[0], description=text, parents=[shared])
        below.set_defaults(command=command, parser=below)
        options(below)


def _test_options(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="the ways to try (all of them)")


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("type", choices=SINK_TYPES, metavar="TYPE", help=f"what it is: {', '.join(SINK_TYPES)}")
    parser.add_argument("value", nargs="?", metavar="URL", help="the URL, or the command line; -: from standard input")
    parser.add_argument("--name", metavar="NAME", help="what to call it (its type)")
    parser.add_argument("--kind", dest="kinds", metavar="A,B", help=f"only these kinds of items: {ITEMS}")
    who = "only items of these sessions: globs of names, type:CLIENT, user:PERSON"
    parser.add_argument("--who", metavar="A,B", help=who)
    parser.add_argument("--project", dest="projects", metavar="A,B", help="only items of these projects, as globs")
    parser.add_argument("--quiet", metavar="A,B", help="send nothing between these times of day: 22:00-07:00")
    parser.add_argument("--delay", metavar="TIME", help="wait so long, and send only what still needs you: 30s, 5m")
    flags = {
        "--unless-seen": "only what appeared after you last looked at the list",
        "--urgent-only": "only what is urgent",
        "--urgent-anyway": "send what is urgent in quiet hours, too",
        "--send-text": "send the question or the subject, too, not only the headline",
        "--allow-private": "for a webhook: allow an address of this machine or of its network",
        "--answers": "for a webhook or ntfy: send a one-time token with which the receiver may answer the item",
    }
    for flag, about in flags.items():
        parser.add_argument(flag, action="store_true", help=about)
    about = "the address at which your phone reaches the hub, for --answers of ntfy; for all ways in the file"
    parser.add_argument("--hub-url", metavar="URL", help=about)
    parser.add_argument("--sequence", choices=SEQUENCES, metavar="NAME", help=f"for terminal: {', '.join(SEQUENCES)}")
