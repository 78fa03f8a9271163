"""Hints for commands and flags that are not there: those that are most like what was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.cli.run import operations
from hallway.core.near_names import near_matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def command_hint(program: str, words: Sequence[str], choices: Iterable[object]) -> str:
    """Return what to type instead of a command that is not there.

    `program` is what comes before it (hallway, or hallway task); `words` are the command and what was typed after it;
    `choices` are the commands that could be there. A command of two words may be typed as one: memory-set.
    """
    group = program.split()[1:]
    typed = [*group, *(word for word in words if not word.startswith("-"))][:2]
    known = [" ".join([*group, str(each)]) for each in choices]
    known += [each for each in operations() if group == each.split()[: len(group)] and each not in known]
    near = near_matches(" ".join(typed), [each for each in known if " " in each]) if len(typed) > 1 else []
    near = [each for each in near if set(typed).intersection(each.split())]  # one of the two words is right
    if not near:
        joined = {each.replace(" ", "-"): each for each in known}
        near = [joined[each] for each in near_matches("-".join([*group, words[0]]), list(joined))]
    return f"Did you mean {' or '.join(near)}?" if near else f"See: {program} --help"


def flag_hint(program: str, unknown: Sequence[str], flags: Iterable[str], *, is_json: bool) -> str:
    """Return what to type instead of words that a command does not take."""
    if is_json and not unknown[0].startswith("-"):
        return f"Fields come after an equals sign: --json={unknown[0]}"
    if not unknown[0].startswith("--"):
        return f"See: {program} --help"
    near = near_matches(unknown[0][2:].partition("=")[0], [each[2:] for each in flags if each.startswith("--")])
    return f"Did you mean {' or '.join(f'--{each}' for each in near)}?" if near else f"See: {program} --help"
