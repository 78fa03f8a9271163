"""Which files a shell command writes, as far as it can be read without running it: a best effort (C2).

It reads redirections, `tee`, `sed -i`, `mv`, `cp`, `rm`, `git checkout -- …`, `git restore`, `git rm`, `git mv`,
`apply_patch`, and the same behind `cd`, `sudo` and `sh -c`. A word with a variable or a command in it is not known, and
what a program that the command starts writes is not known either. It never runs anything.
"""

from __future__ import annotations

import os

from hallway.core.globs import SPECIAL, alternatives, glob_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_COMMAND = 64 * 1024
MAX_EXPANDED = 100  # files that one pattern stands for
MAX_NESTED = 3  # how deep `sh -c` inside of `sh -c` is read
BREAKS = frozenset(" \t\n;&|<>()")
OPERATORS = ("&&", "||", "|&", ";;", ";", "|", "&", "(", ")", "\n")
REDIRECTIONS = ("<<<", "<<-", "&>>", "<<", ">>", ">|", ">&", "<&", "<>", "&>", ">", "<")
WRITING = frozenset((">", ">>", ">|", "&>", "&>>", "<>", ">&"))
BEFORE_COMMANDS = frozenset(("then", "do", "else", "elif", "if", "while", "until", "!", "{", "time"))
STARTERS = frozenset(("sudo", "doas", "command", "exec", "nohup", "env", "nice"))
SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh"))
PATCHED = ("*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: ")


class ShellWord:
    """A word of a command: its text, and the pattern that it is before the shell expands it.

    `is_known` is false for a word that only the shell knows, because a variable or a command is in it.
    """

    __slots__ = ("is_known", "is_pattern", "pattern", "text")

    def __init__(self) -> None:
        self.text = self.pattern = ""
        self.is_known = True
        self.is_pattern = False

    def add(self, text: str, *, is_quoted: bool) -> None:
        self.text += text
        self.is_pattern = self.is_pattern or (not is_quoted and not SPECIAL.isdisjoint(text))
        self.pattern += "".join(f"\\{c}" if c in SPECIAL else c for c in text) if is_quoted else text


class Command:
    """A simple command: its words, the targets of its writing redirections, and the text that it is given."""

    __slots__ = ("here_text", "targets", "words")

    def __init__(self) -> None:
        self.words: list[ShellWord] = []
        self.targets: list[ShellWord] = []
        self.here_text = ""


def written_files(command: str, directory: str, depth: int = 0) -> list[str]:
    """Return the paths that a shell command writes, moves or removes, in the order of its text.

    A path that ends with a slash stands for a folder that is not there yet.
    """
    folders: list[str | None] = [directory or None]
    paths: list[str] = []
    for each in _commands(command[:MAX_COMMAND]) if depth < MAX_NESTED else ():
        if each == "(":
            folders.append(folders[-1])
        elif each == ")":
            folders = folders[:-1] or [None]
        elif isinstance(each, Command):
            folder = folders[-1]
            arguments = _arguments(each, folder)
            if arguments[:1] != ["[["]:  # between [[ and ]], > compares texts
                paths += [path for target in each.targets for path in _expanded(target, folder)]
            if arguments[:1] == ["cd"]:
                folders[-1] = _joined(folder, arguments[1] if len(arguments) > 1 else "~")
            elif arguments:
                paths += _written_by(arguments, each.here_text, folder, depth)
    return paths


def patched_files(patch: str) -> list[str]:
    """Return the files that a patch in the form of `apply_patch` adds, changes, removes and moves."""
    lines = [line.strip() for line in patch.splitlines()]
    return [line[len(mark) :].strip() for line in lines for mark in PATCHED if line.startswith(mark)]


# -- programs ---------------------------------------------------------------------------------------------------------


def _written_by(arguments: list[str | None], here_text: str, folder: str | None, depth: int) -> list[str]:
    """Return the paths that a program with its arguments writes; None stands for an argument that is not known."""
    program, rest = os.path.basename(arguments[0] or ""), arguments[1:]
    if program in SHELLS:
        script = _script_of(rest)
        return written_files(script, folder or "", depth + 1) if script else []
    if program == "git":
        return _written_by_git(rest, folder)
    if program == "apply_patch":
        patch = here_text or (rest[0] if rest else "") or ""
        return _joined_all(folder, patched_files(patch))
    return _written_by_tool(program, rest, folder)


def _written_by_tool(program: str, rest: list[str | None], folder: str | None) -> list[str]:
    if program in ("rm", "rmdir", "unlink", "tee"):
        return _joined_all(folder, _operands(rest))
    if program in ("mv", "cp"):
        return _moved(program, rest, folder)
    if program in ("sed", "gsed"):
        return _joined_all(folder, _edited_by_sed(rest))
    return []


def _written_by_git(rest: list[str | None], folder: str | None) -> list[str]:
    while rest and rest[0] == "-C":
        folder, rest = _joined(folder, rest[1] if len(rest) > 1 else None), rest[2:]
    verb, rest = (rest[0], rest[1:]) if rest else (None, [])
    if verb == "checkout":
        return _joined_all(folder, rest[rest.index("--") + 1 :] if "--" in rest else [])
    if verb == "restore" and ("--worktree" in rest or not {"--staged", "-S"} & set(rest)):
        return _joined_all(folder, _operands(rest, takes=("-s", "--source")))
    if verb in ("rm", "mv"):
        return _written_by_tool(verb, rest, folder)
    return []


def _moved(program: str, rest: list[str | None], folder: str | None) -> list[str]:
    """Return what `mv` and `cp` write: the targets and, of `mv`, the sources."""
    operands = _operands(rest, takes=("-t", "--target-directory", "-S", "--suffix"))
    target = _value_of(rest, "-t", "--target-directory")
    sources, to = (operands, target) if target else (operands[:-1], operands[-1] if operands else None)
    written = _joined_all(folder, sources) if program == "mv" else []
    place = _joined(folder, to)
    if place is None:
        return written
    is_folder = bool(target) or os.path.isdir(place) or place.endswith(os.sep)
    for source in sources:
        end = os.path.join(place, os.path.basename(source.rstrip(os.sep))) if is_folder and source else place
        origin = _joined(folder, source)
        written.append(end.rstrip(os.sep) + (os.sep if origin and os.path.isdir(origin) else ""))
    return written


def _edited_by_sed(rest: list[str | None]) -> list[str | None]:
    """Return the files that `sed` edits in place; none without `-i`."""
    is_in_place = has_script = is_value = False
    operands: list[str | None] = []
    for each in rest:
        if is_value:
            is_value = False
        elif each is None or not each.startswith("-") or each == "-":
            operands.append(each)
        elif each.startswith("--"):
            is_in_place = is_in_place or each.startswith("--in-place")
            has_script = has_script or each.startswith(("--expression", "--file"))
            is_value = each in ("--expression", "--file")
        else:
            for at, letter in enumerate(each[1:], 2):
                is_in_place = is_in_place or letter == "i"
                has_script = has_script or letter in "ef"
                if letter in "ief":
                    is_value = letter != "i" and at == len(each)
                    break
    operands = operands[1:] if operands[:1] == [""] else operands  # the suffix that BSD's `-i` takes
    return (operands if has_script else operands[1:]) if is_in_place else []


def _operands(rest: list[str | None], takes: tuple[str, ...] = ()) -> list[str]:
    """Return the arguments whose values are known and that are neither options nor the values of options."""
    operands, is_value, are_all = [], False, False
    for each in rest:
        if is_value:
            is_value = False
        elif each == "--" and not are_all:
            are_all = True
        elif each is not None and (are_all or not each.startswith("-") or each == "-"):
            operands.append(each)
        else:
            is_value = each in takes
    return operands


def _value_of(rest: list[str | None], *options: str) -> str | None:
    for at, each in enumerate(rest):
        if each in options:
            return rest[at + 1] if at + 1 < len(rest) else None
        if each and each.startswith("--") and each.partition("=")[0] in options:
            return each.partition("=")[2]
    return None


def _script_of(rest: list[str | None]) -> str | None:
    """Return the script of `sh -c SCRIPT`, also of `bash -lc`."""
    for at, each in enumerate(rest):
        if each is None or not each.startswith("-"):
            return None
        if not each.startswith("--") and "c" in each:
            return rest[at + 1] if at + 1 < len(rest) else None
    return None


# -- words ------------------------------------------------------------------------------------------------------------


def _arguments(command: Command, folder: str | None) -> list[str | None]:
    """Return a command's program and arguments, with wildcards expanded; leading settings, `sudo` etc. are left out."""
    words = list(command.words)
    while words and (words[0].text in BEFORE_COMMANDS or _is_setting(words[0])):
        words.pop(0)
    while words and words[0].text in STARTERS:
        words.pop(0)
        while words and (words[0].text.startswith("-") or _is_setting(words[0])):
            words.pop(0)
    arguments: list[str | None] = []
    for each in words:
        if not each.is_known:
            arguments.append(None)
        else:
            arguments += _matches(each, folder) if each.is_pattern else [each.text]
    return arguments


def _is_setting(word: ShellWord) -> bool:
    name, sign, _ = word.text.partition("=")
    return bool(sign) and name.isidentifier()


def _expanded(word: ShellWord, folder: str | None) -> list[str]:
    if not word.is_known or not word.text:
        return []
    return _joined_all(folder, _matches(word, folder) if word.is_pattern else [word.text])


def _matches(word: ShellWord, folder: str | None) -> list[str]:
    """Return the files to which the shell would expand a pattern; the pattern's text if it matches no file."""
    found = []
    try:
        for pattern in sorted(alternatives(word.pattern)):
            found += _fitting(pattern, folder)
    except ValueError:
        pass  # the shell takes it as it is
    return found[:MAX_EXPANDED] or [word.text]


def _fitting(pattern: str, folder: str | None) -> list[str]:
    """Return the paths that match a pattern without braces. A text without wildcards is returned as it is."""
    first, *names = pattern.split(os.sep)
    paths = [os.sep] if pattern.startswith(os.sep) else [""]
    for name in names if pattern.startswith(os.sep) else (first, *names):
        plain = name.replace("\\", "")
        if SPECIAL.isdisjoint(name.replace("\\\\", "")) or all(c not in "*?[" for c in _unescaped(name)):
            paths = [os.path.join(path, plain) for path in paths]
        else:
            paths = [os.path.join(path, each) for path in paths for each in _listed(path, folder, name)][:MAX_EXPANDED]
    return paths


def _unescaped(name: str) -> str:
    """Return a name without the characters that a backslash escapes."""
    kept, is_escaped = "", False
    for c in name:
        kept += "" if is_escaped or c == "\\" else c
        is_escaped = c == "\\" and not is_escaped
    return kept


def _listed(path: str, folder: str | None, name: str) -> list[str]:
    place = _joined(folder, path or os.curdir)
    try:
        entries = os.listdir(place) if place is not None else []
    except OSError:
        return []
    glob = glob_of(name)
    return sorted(each for each in entries if (name[0] == "." or each[0] != ".") and glob.matches(each))


def _joined_all(folder: str | None, paths: list[str | None] | list[str]) -> list[str]:
    joined = (_joined(folder, each) for each in paths)
    return [each for each in joined if each is not None]


def _joined(folder: str | None, path: str | None) -> str | None:
    """Return a path in a folder; None if the folder or the path is not known."""
    if not path or path.startswith("-"):
        return None
    path = os.path.expanduser(path)
    if os.path.isabs(path):
        return path
    return None if folder is None else os.path.join(folder, path)


# -- the text ---------------------------------------------------------------------------------------------------------


def _commands(text: str) -> Iterator[Command | str]:
    """Yield the commands of a text, and its parentheses, as far as it can be read."""
    command, here, at = Command(), [], 0
    while at < len(text):
        if text[at] in " \t" or text.startswith("\\\n", at):
            at += 1 if text[at] in " \t" else 2
        elif text[at] == "#":
            at = _end(text, "\n", at)
        elif text.startswith("((", at):  # arithmetic
            at = _end(text, "))", at) + 2
        elif sign := _redirection(text, at):
            at = _skip_blanks(text, at + len(sign))
            word, at = _read_word(text, at)
            if sign.startswith("<<") and sign != "<<<":
                here.append((command, word.text, sign == "<<-"))
            elif sign in WRITING and not (sign == ">&" and word.text.rstrip("-").isdigit()) and word.text != "-":
                command.targets.append(word)
        elif sign := next((each for each in OPERATORS if text.startswith(each, at)), ""):
            at += len(sign)
            if sign == "\n":
                at = _read_here_texts(text, at, here)
            yield command
            if sign in "()":
                yield sign
            command = Command()
        else:
            word, at = _read_word(text, at)
            is_descriptor = word.text.isdigit() and at < len(text) and text[at] in "<>"  # the 2 of `2>file`
            if not is_descriptor:
                command.words.append(word)
    yield command


def _redirection(text: str, at: int) -> str:
    return next((each for each in REDIRECTIONS if text.startswith(each, at)), "")


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def _read_here_texts(text: str, at: int, here: list[tuple[Command, str, bool]]) -> int:
    """Give the texts that follow a line to their commands; return where they end."""
    while here:
        command, end, is_indented = here.pop(0)
        lines = []
        while at < len(text):
            stop = _end(text, "\n", at)
            line, at = text[at:stop], min(stop + 1, len(text))
            if (line.lstrip("\t") if is_indented else line) == end:
                break
            lines.append(line)
        command.here_text = "\n".join(lines)
    return at


def _read_word(text: str, at: int) -> tuple[ShellWord, int]:
    """Return the word that begins at a place, and where it ends."""
    word = ShellWord()
    while at < len(text) and text[at] not in BREAKS:
        sign = text[at]
        if sign == "'":
            end = _end(text, "'", at + 1)
            word.add(text[at + 1 : end], is_quoted=True)
            at = end + 1
        elif sign == '"':
            at = _read_quoted(text, at + 1, word)
        elif sign == "\\":
            word.add("" if text[at + 1 : at + 2] == "\n" else text[at + 1 : at + 2], is_quoted=True)
            at += 2
        elif sign in "$`":
            at = _skip_substitution(text, at)
            word.is_known = False
        else:
            word.add(sign, is_quoted=False)
            at += 1
    return word, at


def _read_quoted(text: str, at: int, word: ShellWord) -> int:
    """Add a text in double quotation marks to a word; return where it ends."""
    while at < len(text) and text[at] != '"':
        if text[at] in "$`":
            at = _skip_substitution(text, at)
            word.is_known = False
            continue
        if text[at] == "\\" and text[at + 1 : at + 2] in ("$", "`", '"', "\\", "\n"):
            at += 1
        word.add(text[at : at + 1].replace("\n", "") if text[at - 1] == "\\" else text[at], is_quoted=True)
        at += 1
    return at + 1


def _skip_substitution(text: str, at: int) -> int:
    """Return where a variable or a command in a word ends."""
    if text[at] == "`":
        return _end(text, "`", at + 1) + 1
    opening = text[at + 1 : at + 2]
    if opening not in ("(", "{"):
        at += 1
        while at < len(text) and (text[at].isalnum() or text[at] == "_"):
            at += 1
        return at
    closing, depth, at = {"(": ")", "{": "}"}[opening], 0, at + 1
    while at < len(text):
        depth += (text[at] == opening) - (text[at] == closing)
        at += 1
        if not depth:
            break
    return at


def _end(text: str, sign: str, at: int) -> int:
    """Return where a sign is next, or the end of the text."""
    found = text.find(sign, at)
    return len(text) if found < 0 else found
