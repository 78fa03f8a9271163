"""Texts that a person pipes in or keeps in a file, instead of typing them as a word.

`-` means standard input for every text of every command. Loaded only by a command that reads one.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, BinaryIO

from hallway.cli.labels import STANDARD_INPUT, label
from hallway.core.errors import FileUnusable, InvalidInput, TooLarge
from hallway.core.schema import Json, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hallway.core.operation import Operation
    from hallway.core.schema import FieldType

BYTES_PER_CHARACTER = 4  # of UTF-8, at the most
LINE_END = 2  # bytes that a text's last line may end with, which are no part of it


def read_texts(
    operation: Operation, typed: Mapping[str, str | bool], files: Mapping[str, str]
) -> dict[str, str | bool]:
    """Return what was typed, with the content of standard input or of a file in place of each text that comes from it.

    A subject from standard input beside no body is the body: its first line becomes the subject.
    """
    texts = dict(typed)
    for name in files:
        if name in texts:
            given = label(operation, name)
            raise InvalidInput(f"{given} is given twice: as a word and by {_flag(name)}", hint="Leave one of them out")
        texts[name] = STANDARD_INPUT if files[name] == STANDARD_INPUT else _read_file(operation, name, files[name])
    piped = [name for name in texts if _is_piped(operation, name, typed, files)]
    if len(piped) > 1:
        names = " and ".join(label(operation, name) for name in piped)
        raise InvalidInput(
            f"standard input is asked for twice: {names}", hint="Keep one of the texts in a file: --body-file FILE"
        )
    for name in piped:
        text = _read_standard_input(operation, name)
        if name == "subject" and "body" in operation.parameters and "body" not in texts:
            del texts[name]
            name = "body"
        texts[name] = text
    return texts


def _is_piped(operation: Operation, name: str, typed: Mapping[str, str | bool], files: Mapping[str, str]) -> bool:
    return operation.parameters[name].has_text and STANDARD_INPUT in (typed.get(name), files.get(name))


def _flag(name: str) -> str:
    return f"--{name}-file"


def _read_standard_input(operation: Operation, name: str) -> str:
    if sys.stdin is None:
        raise InvalidInput(f"{label(operation, name)} is to come from standard input, but there is none")
    kind = operation.parameters[name].kind
    body = operation.parameters.get("body")
    if name == "subject" and body is not None:
        kind = body.kind
    return _decoded(_read_bounded(sys.stdin.buffer, kind, "standard input"), "standard input")


def _read_file(operation: Operation, name: str, path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            return _decoded(_read_bounded(file, operation.parameters[name].kind, path), path)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror or error}") from None


def _read_bounded(file: BinaryIO, kind: FieldType, source: str) -> bytes:
    """Return all of a file; TooLarge as soon as it is longer than any value of its type."""
    most = _most_bytes(kind)
    content = file.read(most + LINE_END + 1)
    if len(content) > most + LINE_END:
        raise TooLarge(f"{source} has more than {most} bytes, but {most} is the most")
    return content


def _most_bytes(kind: FieldType) -> int:
    if isinstance(kind, Json):
        return kind.size_bytes
    return kind.most * BYTES_PER_CHARACTER if isinstance(kind, Text) else 0


def _decoded(content: bytes, source: str) -> str:
    """Return UTF-8 text without the end of its last line; an empty one is an error: nobody pipes nothing on purpose."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{source} is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}",
            hint="Convert it first: iconv -f ENCODING -t UTF-8. Of a binary file, send the path",
        ) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise InvalidInput(f"{source} is empty", hint="See what the command before the pipe writes")
    return text
