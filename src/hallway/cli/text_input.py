"""Command-line texts that are read from standard input or from a file.

`-` means standard input for every text of every command. Only a command that reads such a text loads this module.
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

BYTE_ORDER_MARK = "\ufeff"
BYTES_PER_CHARACTER = 4  # of UTF-8, at the most
LINE_END = 2  # bytes of the last line's end (CR LF at the most), which do not count as text


def read_texts(
    operation: Operation, typed: Mapping[str, str | bool], files: Mapping[str, str]
) -> dict[str, str | bool]:
    """Return the typed arguments, with each text that comes from standard input or a file replaced by its content.

    If the subject comes from standard input and there is no body, the text is the body; its first line then becomes
    the subject.
    """
    texts = dict(typed)
    for name in files:
        if name in texts:
            given = label(operation, name)
            raise InvalidInput(f"{given} is given twice: as a word and by {_flag(name)}", hint="Use only one of them")
        texts[name] = STANDARD_INPUT if files[name] == STANDARD_INPUT else _read_file(operation, name, files[name])
    piped = [name for name in texts if _is_piped(operation, name, typed, files)]
    if len(piped) > 1:
        names = " and ".join(label(operation, name) for name in piped)
        raise InvalidInput(
            f"standard input is asked for twice: {names}", hint="Read one of the texts from a file: --body-file FILE"
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
        raise InvalidInput(f"{label(operation, name)} is to be read from standard input, but this process has none")
    kind = operation.parameters[name].kind
    body = operation.parameters.get("body")
    if name == "subject" and body is not None:
        kind = body.kind
    content = _read_bounded(sys.stdin.buffer, kind, "standard input")
    return _decoded(content, "standard input", "Check the output of the command before the pipe")


def _read_file(operation: Operation, name: str, path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            return _decoded(_read_bounded(file, operation.parameters[name].kind, path), path, "Name another file")
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror or error}") from None


def _read_bounded(file: BinaryIO, kind: FieldType, source: str) -> bytes:
    """Return the content of a file; raises TooLarge if it is longer than any value of its type may be."""
    most = _most_bytes(kind)
    content = file.read(most + LINE_END + 1)
    if len(content) > most + LINE_END:
        raise TooLarge(f"{source} is too long: {most} bytes is the most")
    return content


def _most_bytes(kind: FieldType) -> int:
    if isinstance(kind, Json):
        return kind.size_bytes
    return kind.most * BYTES_PER_CHARACTER if isinstance(kind, Text) else 0


def _decoded(content: bytes, source: str, if_empty: str) -> str:
    """Return UTF-8 text without its last line end; raises InvalidInput for an empty one, which is surely a mistake.

    A byte order mark, which some editors and shells put before a text, is left out.
    """
    try:
        text = content.decode().removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{source} is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}",
            hint="Convert it first: iconv -f ENCODING -t UTF-8. If it is a binary file, send its path instead",
        ) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise InvalidInput(f"{source} is empty", hint=if_empty)
    return text
