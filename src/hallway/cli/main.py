"""The full command line: an argparse parser built from the operation catalogue, plus the other commands."""

from __future__ import annotations

import argparse
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING, Any, NoReturn

import hallway
from hallway.cli import commands
from hallway.cli.attention_watch import watch_attention
from hallway.cli.confirmation import CONFIRMATIONS
from hallway.cli.help import PLUMBING, command_groups, described
from hallway.cli.labels import STANDARD_INPUT, file_flag, flag, label, switched
from hallway.cli.near_misses import command_hint, flag_hint
from hallway.cli.overview import show
from hallway.cli.run import SYNONYMS, guarded, operations, perform
from hallway.cli.terminal import out
from hallway.core.errors import InvalidInput
from hallway.core.schema import Boolean, Choice
from hallway.services.attention import AttentionList
from hallway.services.claims import ClaimRegistry
from hallway.services.messages import CollaborationHub

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hallway.bus.base import Bus
    from hallway.core.model import Message
    from hallway.core.operation import Operation, Parameter

ATTENTION = AttentionList.operations["read"]
CLAIMS = ClaimRegistry.operations["list_claims"]
INBOX = CollaborationHub.operations["inbox"]
FIELDS = "--json-fields"  # never typed: see _with_fields
FILE_OF = "file of "  # with the parameter's name: the parser's attribute that holds the path of the parameter's file
EPILOG = """\
Without a command: what needs attention, who works, what is stuck and what is finished.

The bus is a file of this user (HALLWAY_HOME sets its folder), unless HALLWAY_URL or hallway use selects another bus or
a hub.
To check the installation: hallway doctor. The manual: hallway help --man | man -l -
"""


def run(argv: Sequence[str]) -> int:
    """Parse and run a command line; return its exit status."""
    return guarded(partial(_run, argv), is_json=any(word.partition("=")[0] == "--json" for word in argv))


def _run(argv: Sequence[str]) -> int | None:
    parser = build_parser()
    if [*argv] == ["help", "--man"]:
        from hallway.cli.man import manual_page

        out().write(manual_page(parser))
        return 0
    if argv[:1] == ["help"]:  # as git, gh and docker have it
        argv = [*argv[1:], "--help"]
    elif argv[:1] == ["version"]:
        argv = ["--version", *argv[1:]]
    args, unknown = parser.parse_known_args(argv)
    used = getattr(args, "parser", parser)
    if unknown := _words_left(args, unknown):
        flags = [flag for action in used._actions for flag in action.option_strings]
        hint = flag_hint(used.prog, unknown, flags, is_json=getattr(args, "is_json", False))
        raise InvalidInput(f"{used.prog} does not take {' '.join(unknown)}", hint=hint)
    args.is_json = getattr(args, "is_json", False)
    args.url = getattr(args, "url", None)
    args.fields, args.template = getattr(args, "fields", None), getattr(args, "template", None)
    if (args.fields, args.template) != (None, None) and "operation" not in args:
        option = "--format" if args.fields is None else f"--json={args.fields}"
        raise InvalidInput(f"{used.prog} has no fields to choose with {option}", hint=f"Use {used.prog} --json")
    if "command" not in args:
        if used is parser:
            show(args.url, is_json=args.is_json)
        else:
            used.print_help()
        return 0
    args.build_parser = build_parser  # for the completion script
    status: int | None = args.command(args)
    return status


def _with_fields(argv: Sequence[str]) -> list[str]:
    """Return the words with `--json=A,B` as argparse can read it: `--json` alone takes no value after a space."""
    words: list[str] = []
    for at, word in enumerate(argv):
        if word == "--":
            return [*words, *argv[at:]]
        is_chosen = word.startswith("--json=")
        words += ["--json", f"{FIELDS}={word.removeprefix('--json=')}"] if is_chosen else [word]
    return words


def _words_left(args: argparse.Namespace, unknown: list[str]) -> list[str]:
    """Give arguments that come after a flag to the optional parameters; return the arguments that remain.

    argparse stops looking for optional positional arguments after the first flag.
    """
    operation: Operation | None = getattr(args, "operation", None)
    missing = [name for name in operation.words if name not in args] if operation else []
    while unknown and missing and (unknown[0] == STANDARD_INPUT or not unknown[0].startswith("-")):
        setattr(args, missing.pop(0), unknown.pop(0))
    return unknown


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wraps the paragraphs of a description at the terminal's width; one with indented lines stays as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            each if each.startswith(" ") or "\n " in each else fill(each, width, break_on_hyphens=False)
            for each in text.split("\n\n")
        )


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InvalidInput on an error instead of ending the process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=HelpFormatter, **options)

    def format_help(self) -> str:
        """Return the help, which ends with examples; they are looked up only for it."""
        if self.epilog is None:
            from hallway.cli.examples import end_of_help

            self.epilog = end_of_help(self)
        return super().format_help()

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write help through the terminal, which escapes what its encoding does not have."""
        out().stream.write(message)

    def error(self, message: str) -> NoReturn:
        raise InvalidInput(message, hint=f"See: {self.prog} --help")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        self._typed = arg_strings  # a command, and what was typed after it
        return super()._get_values(action, arg_strings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if isinstance(action, argparse._SubParsersAction):
            hint = command_hint(self.prog, self._typed, action.choices)
            raise InvalidInput(f"there is no {self.prog} {value}", hint=hint)
        typed = " ".join([*action.option_strings[:1], str(value)])
        raise InvalidInput(f"{self.prog} does not take {typed}", hint=f"One of: {', '.join(map(str, action.choices))}")


class TopParser(Parser):
    """The parser of the whole command line, whose help shows the commands in groups."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the words, in which `--json` may have fields."""
        return super().parse_known_args(_with_fields(args), namespace)

    def format_help(self, *, has_plumbing: bool = False) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        formatter.add_text(command_groups(has_plumbing=has_plumbing))
        formatter.start_section("options")
        formatter.add_arguments(self._optionals._group_actions)
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()


class HelpAll(argparse.Action):
    """Prints the help with the commands that agents and scripts run, and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> NoReturn:
        assert isinstance(parser, TopParser)  # noqa: S101 (only this parser has the flag)
        out().stream.write(parser.format_help(has_plumbing=True))
        parser.exit()


def build_parser(*, has_choices: bool = False) -> Parser:
    """Return the parser of all commands.

    With `has_choices`, the parser lists the allowed values of each parameter, as the completion script needs them.
    Otherwise the parser checks no values: the operation's declaration checks them, in the same way for every face.
    """
    shared = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    about_json = "print the result as JSON, as HTTP does; --json=A,B: only these fields"
    shared.add_argument("--json", action="store_true", dest="is_json", help=about_json)
    shared.add_argument(FIELDS, dest="fields", help=argparse.SUPPRESS)
    about_format = "print each record in this form: '$name $status'"
    shared.add_argument("--format", dest="template", metavar="TEMPLATE", help=about_format)
    shared.add_argument("--url", metavar="URL", help="the bus: a folder, a file or an address (else: HALLWAY_URL)")
    parser = TopParser(prog="hallway", description=_about(), epilog=EPILOG, parents=[shared])
    about_all = f"show this help with the commands {PLUMBING[:1].lower()}{PLUMBING[1:]}, too"
    parser.add_argument("--help-all", action=HelpAll, nargs=0, default=argparse.SUPPRESS, help=about_all)
    parser.add_argument("-v", "--version", action="version", version=f"hallway {hallway.__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    groups: dict[str, Any] = {}
    parsers: dict[str, Parser] = {}
    for verb, operation in operations().items():
        base, _, variant = verb.partition(" --")
        if variant:
            _add_variant(parsers[base], f"--{variant}", operation, has_choices)
            continue
        group = verb.rpartition(" ")[0]
        if group and group not in groups:
            groups[group] = _add_group(verbs, group, parsers, shared)
        parsers[verb] = _add_operation(groups.get(group, verbs), verb, operation, shared, has_choices)
    commands.add_to(verbs, shared)
    return parser


def _add_group(verbs: Any, group: str, parsers: dict[str, Parser], shared: Any) -> Any:
    """Return where the commands of a group are added: below its own parser, or below that of a command of its name."""
    top = parsers.get(group)
    if top is None:
        top = verbs.add_parser(group, help=f"{group} …: see hallway {group} --help", parents=[shared])
        top.set_defaults(parser=top)
    return top.add_subparsers(title="commands", metavar="COMMAND")


def _about() -> str:
    return (hallway.__doc__ or "").partition("\n")[0]


def _add_operation(verbs: Any, verb: str, operation: Operation, shared: Any, has_choices: bool) -> Parser:
    parser: Parser = verbs.add_parser(
        verb.rpartition(" ")[2],
        aliases=[synonym for synonym, meant in SYNONYMS.items() if verb == meant],
        help=_escaped(described(operation.about, operation)),
        description=described(operation.function.__doc__, operation) + _about_texts(operation),
        parents=[shared],
    )
    words = [operation.parameters[name] for name in operation.words]
    for parameter in [*words, *(each for each in operation.parameters.values() if each not in words)]:
        _add_parameter(parser, parameter, parameter in words, has_choices)
    parser.set_defaults(command=_command(operation), operation=operation, parser=parser)
    if operation is INBOX:
        _add_acknowledging(parser)
    if operation is ATTENTION:
        _add_watching(parser)
    if operation is CLAIMS:
        _add_tree(parser)
    if confirmation := CONFIRMATIONS.get(operation.name):
        confirmation.add_options(parser)
    return parser


def _add_acknowledging(parser: Parser) -> None:
    """Add `--ack` to the inbox command: it acknowledges the messages after they are shown."""

    def acknowledge(bus: Bus, result: list[Message], arguments: dict[str, Any]) -> None:
        if result:
            bus.messages.acknowledge(arguments["session_id"], [each.message_id for each in result])

    perform_it = partial(_perform, INBOX, variant="--ack", then=acknowledge)
    parser.add_argument(
        "--ack",
        dest="command",
        action="store_const",
        const=perform_it,
        default=argparse.SUPPRESS,
        help="acknowledge the messages after they are shown",
    )


def _add_watching(parser: Parser) -> None:
    """Add `--watch` to the attention command: it shows the list again whenever it changes."""

    def watch(args: argparse.Namespace) -> None:
        _perform(ATTENTION, args, then=partial(watch_attention, is_json=args.is_json))

    parser.add_argument(
        "--watch",
        dest="command",
        action="store_const",
        const=watch,
        default=argparse.SUPPRESS,
        help="show the list again whenever it changes, until Ctrl-C",
    )


def _add_tree(parser: Parser) -> None:
    """Add `--tree` to the claims command: it shows the claimed paths as a tree."""
    parser.add_argument(
        "--tree",
        dest="command",
        action="store_const",
        const=partial(_perform, CLAIMS, variant="--tree"),
        default=argparse.SUPPRESS,
        help="show the claimed paths as a tree",
    )


def _add_variant(parser: Parser, option: str, operation: Operation, has_choices: bool) -> None:
    """Add a flag to a command that runs another operation instead, and the parameters that only this one has."""
    options = {action.dest for action in parser._actions}
    parser.add_argument(
        option,
        dest="command",
        action="store_const",
        const=_command(operation),
        default=argparse.SUPPRESS,
        help=_escaped(described(operation.about, operation)),
    )
    for parameter in operation.parameters.values():
        if parameter.name not in options:
            _add_parameter(parser, parameter, False, has_choices)


def _add_parameter(parser: argparse.ArgumentParser, parameter: Parameter, is_word: bool, has_choices: bool) -> None:
    kind = parameter.kind
    choices = list(kind.choices) if isinstance(kind, Choice) else None
    options: dict[str, Any] = {"help": _escaped(kind.about + (f" ({', '.join(choices)})" if choices else ""))}
    if not is_word:
        options |= {"dest": parameter.name, "default": argparse.SUPPRESS}
    elif not parameter.is_required or file_flag(parameter):
        options |= {"nargs": "?", "default": argparse.SUPPRESS}
    if isinstance(kind, Boolean):
        options |= {"action": "store_const", "const": switched(parameter)}
        if not switched(parameter):
            options["help"] = f"do not {kind.about[:1].lower()}{kind.about[1:]}"
    else:
        options["metavar"] = kind.metavar or parameter.name.upper()
        if has_choices and choices:
            options["choices"] = choices
    parser.add_argument(parameter.name if is_word else flag(parameter), **options)
    if option := file_flag(parameter):
        parser.add_argument(
            option,
            dest=FILE_OF + parameter.name,
            default=argparse.SUPPRESS,
            metavar="FILE",
            help=f"read {parameter.name} from a file (-: from standard input)",
        )


def _about_texts(operation: Operation) -> str:
    """Return the help text about standard input; empty for a command that has no text parameter."""
    texts = [label(operation, name) for name, each in operation.parameters.items() if each.has_text]
    if not texts:
        return ""
    return f"\n\nWrite {STANDARD_INPUT} for one of these to read it from standard input: {', '.join(texts)}."


def _perform(operation: Operation, args: argparse.Namespace, **more: Any) -> None:
    typed = {name: value for name, value in vars(args).items() if name in operation.parameters}
    files = {name: path for name in operation.parameters if (path := getattr(args, FILE_OF + name, None))}
    chosen = {"fields": args.fields, "template": args.template}
    perform(operation, typed, is_json=args.is_json, url=args.url, files=files, **chosen, **more)


def _command(operation: Operation) -> Callable[[argparse.Namespace], None]:
    """Return the function that runs an operation from parsed arguments, after a question if the command asks first."""
    confirmation = CONFIRMATIONS.get(operation.name)
    if confirmation is None:
        return partial(_perform, operation)
    return lambda args: _perform(operation, args, before=partial(confirmation.check, args))


def _escaped(text: str) -> str:
    return text.replace("%", "%%")  # argparse formats help
