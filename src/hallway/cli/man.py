"""`hallway help --man`: the manual page hallway(1), made of the parser that reads the commands."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

import hallway
from hallway.cli.examples import end_of_help
from hallway.cli.help import GROUPS

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

ENVIRONMENT = {
    "HALLWAY_HOME": "The folder that holds the bus and hallway's files.",
    "HALLWAY_URL": "The bus: a folder, a file, or the address of a hub or database.",
    "HALLWAY_TOKEN": "The token for a hub.",
    "HALLWAY_PROJECT": "The project, instead of the repository's.",
    "HALLWAY_USER": "Your name on the bus.",
    "HALLWAY_PAGER, PAGER": "Shows what is longer than the screen; cat or nothing for none.",
    "NO_COLOR": "If set, no colours.",
    "COLUMNS": "The width of the output.",
}
EXIT_STATUSES = {
    "0": "The command has done what it says.",
    "1": "Something failed; the message says what to type.",
    "2": "The command line is wrong.",
    "4": "What the command names is not there.",
    "130": "Ctrl\\-C.",
}


def manual_page(parser: ArgumentParser) -> str:
    """Return the page in the macros of man(7)."""
    about = str(parser.description)
    lines = [f'.TH HALLWAY 1 "" "hallway {hallway.__version__}" "User Commands"', ".SH NAME"]
    lines += [
        f"hallway \\- {_text(about).rstrip('.')}",
        ".SH SYNOPSIS",
        ".B hallway",
        ".RI [ OPTION ].\\|.\\|.",
        ".I COMMAND",
    ]
    lines += [".SH DESCRIPTION", *_paragraphs(str(parser.epilog))]
    parsers = dict(_commands(parser))
    for title, commands in GROUPS.items():
        lines.append(f".SH {_text(title.upper())}")
        for name in commands:
            for words, command in parsers.items():
                if words.split()[0] == name:
                    lines += _command(words, command)
    lines.append(".SH ENVIRONMENT")
    lines += [line for name, text in ENVIRONMENT.items() for line in (".TP", f".B {_text(name)}", _text(text))]
    lines.append(".SH EXIT STATUS")
    lines += [line for status, text in EXIT_STATUSES.items() for line in (".TP", f".B {status}", text)]
    return "\n".join(lines)


def _commands(parser: ArgumentParser, before: str = "") -> Iterator[tuple[str, ArgumentParser]]:
    """Yield the commands below a parser with their words, each once."""
    for action in parser._actions:  # argparse has no public way to its subcommands
        if isinstance(action, argparse._SubParsersAction):
            for word, command in action.choices.items():
                words = f"{before} {word}".strip()
                operation = command.get_default("operation")
                if operation is None or operation.verb == words:
                    yield words, command
                    yield from _commands(command, words)


def _command(words: str, parser: ArgumentParser) -> list[str]:
    usage = parser.format_usage().partition(":")[2].split()[1 + len(words.split()) :]
    lines = [f".SS hallway {_text(words)}", f".B hallway {_text(words)}", _text(" ".join(usage))]
    lines += [".PP", *_paragraphs(parser.description)] if parser.description else []
    for action in parser._actions:
        if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)) or action.help == argparse.SUPPRESS:
            continue
        value = str(action.metavar or "") if action.nargs != 0 else ""
        name = " ".join([*([", ".join(action.option_strings)] if action.option_strings else []), value]).strip()
        lines += [".TP", f".B {_text(name or action.dest)}", _text(str(action.help).replace("%%", "%"))]
    notes, _, examples = end_of_help(parser).partition("examples:\n")
    lines += [".PP", *_paragraphs(notes)] if notes.strip() else []
    return (
        [*lines, ".PP", "Examples:", ".PP", ".nf", *(_text(line) for line in examples.splitlines()), ".fi"]
        if examples
        else lines
    )


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text; one with indented lines stays as it is."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        lines += [".PP"] if lines else []
        if re.search(r"^ ", paragraph, re.MULTILINE):
            lines += [".nf", *map(_text, paragraph.splitlines()), ".fi"]
        else:
            lines.append(_text(" ".join(paragraph.split())))
    return lines


def _text(text: str) -> str:
    """Return a line of text in which nothing is read as a request or an escape."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
