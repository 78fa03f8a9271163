"""Glob patterns of paths, and whether two of them match a path in common.

`*` matches within a name, `?` one character, `[a-z]` and `[!a-z]` one of a set, `{a,b}` alternatives, `**` as a whole
name any number of folders, and at the end everything below; a slash at the end means the same; `\\` takes the next
character as it is. Overlap is decided exactly, by following both patterns character by character at the same time, and
never by comparing their beginnings alone. Patterns are compared in Unicode's composed form (NFC).
"""

from __future__ import annotations

from itertools import pairwise

SLASH = "/"
SPECIAL = frozenset("*?[{\\")
MAX_ALTERNATIVES = 64  # that the braces of one pattern make
MAX_CODE = 0x10FFFF
MAX_DEPTH = 2**31 - 1  # stands for any number of names in a path
ALL = ((0, 46), (48, MAX_CODE))  # every character but the slash
MAX_GLOBS_KEPT = 4096

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Ranges = tuple[tuple[int, int], ...]  # of code points, without the slash
    Step = tuple[str, bool, Ranges, int]  # its kind, whether a slash fits, which other characters do, steps to skip

ONE, LOOP, SKIP = "one", "loop", "skip"  # one character; any number of them; the next steps may be left out


class Glob:
    """A pattern; `overlaps` and `matches` decide, `prefix`, `suffix` and `depths` are for an index.

    Every path that it matches begins with `prefix` and ends with `suffix`, both in lower case. It is parsed when it is
    first compared with a pattern that begins and ends alike: most are not.
    """

    __slots__ = ("_automata", "is_literal", "prefix", "suffix", "text")

    def __init__(self, text: str) -> None:
        """Take a pattern in the form that `normalize` returns."""
        self.text = text
        self._automata: list[list[Step]] | None = None
        self.is_literal = SPECIAL.isdisjoint(text)
        self.prefix = _literal_prefix(text).lower()
        self.suffix = _literal_suffix(text).lower()

    def overlaps(self, other: Glob, *, ignore_case: bool = False) -> bool:
        """Return whether some path matches both patterns."""
        if ignore_case:
            return glob_of(self.text.lower()).overlaps(glob_of(other.text.lower()))
        if self.is_literal and other.is_literal:
            return self.text == other.text
        if not _can_meet(self.prefix, other.prefix) or not _can_meet(self.suffix[::-1], other.suffix[::-1]):
            return False
        return any(_meet(one, two) for one in self.automata for two in other.automata)

    @property
    def automata(self) -> list[list[Step]]:
        """Return an automaton for each alternative; raises ValueError, which says what is wrong with the pattern."""
        if self._automata is None:
            self._automata = [_steps_of(each) for each in alternatives(self.text)]
        return self._automata

    @property
    def depths(self) -> tuple[int, int]:
        """Return how many names the shortest and the longest matching path have."""
        depths = [_depths_of([name for name in each.split(SLASH) if name]) for each in alternatives(self.text)]
        return min(least for least, _ in depths), max(most for _, most in depths)

    def matches(self, path: str, *, ignore_case: bool = False) -> bool:
        """Return whether the pattern matches a path."""
        return self.overlaps(glob_of(escape(path)), ignore_case=ignore_case)


_globs: dict[str, Glob] = {}


def glob_of(text: str) -> Glob:
    """Return the parsed pattern of a text that was normalized; the last few thousand are kept."""
    glob = _globs.get(text)
    if glob is None:
        if len(_globs) >= MAX_GLOBS_KEPT:
            _globs.clear()
        glob = _globs[text] = Glob(text)
    return glob


def normalize(pattern: str) -> str:
    """Return a pattern in the one form in which it is kept; raises ValueError, which says what is wrong with it.

    Its path is relative to the repository's root, without `.` and empty names, and composed (NFC).
    """
    if not pattern.isascii():
        from unicodedata import normalize as in_form

        pattern = in_form("NFC", pattern)
    if pattern.startswith(SLASH):
        raise ValueError("it is absolute; a path is relative to the repository's root")
    names = [name for name in pattern.split(SLASH) if name not in ("", ".")]
    if not names:
        raise ValueError("it names no path; everything is **")
    if pattern.endswith(SLASH) and names[-1] != "**":
        names.append("**")
    text = SLASH.join(names)
    _ = Glob(text).automata  # raises ValueError
    return text


def escape(path: str) -> str:
    """Return the pattern that matches a path and nothing else."""
    return path if SPECIAL.isdisjoint(path) else "".join(f"\\{sign}" if sign in SPECIAL else sign for sign in path)


def alternatives(text: str) -> list[str]:
    """Return the patterns without braces that a pattern stands for."""
    done, left = [], [text]
    while left:
        each = left.pop()
        parts = _first_braces(each)
        if parts is None:
            done.append(each)
            continue
        before, choices, after = parts
        left += [before + choice + after for choice in choices]
        if len(done) + len(left) > MAX_ALTERNATIVES:
            raise ValueError(f"its braces make more than {MAX_ALTERNATIVES} patterns")
    return done


def _first_braces(text: str) -> tuple[str, list[str], str] | None:
    """Return what is before the first braces, the choices in them, and what is after; None if there are none."""
    depth, begin, cuts, at = 0, 0, [], 0
    while at < len(text):
        sign = text[at]
        if sign == "\\":
            at += 1
        elif sign == "[" and not depth:
            at = _end_of_set(text, at)
        elif sign == "{":
            depth += 1
            if depth == 1:
                begin, cuts = at, [at]
        elif sign == "," and depth == 1:
            cuts.append(at)
        elif sign == "}" and depth:
            depth -= 1
            if not depth:
                cuts.append(at)
                choices = [text[one + 1 : two] for one, two in pairwise(cuts)]
                return text[:begin], choices, text[at + 1 :]
        at += 1
    if depth:
        raise ValueError("a brace is not closed")
    return None


def _end_of_set(text: str, at: int) -> int:
    """Return where the set that begins at a place ends; a bracket right at its beginning belongs to it."""
    first = at + 2 if text[at + 1 : at + 2] in ("!", "^") else at + 1
    end = text.find("]", first + 1)
    if end < 0:
        raise ValueError("a bracket is not closed")
    return end


def _depths_of(names: list[str]) -> tuple[int, int]:
    """Return how many names the shortest and the longest path have that a pattern without braces matches."""
    if "**" not in names:
        return len(names), len(names)
    return len(names) - names[:-1].count("**"), MAX_DEPTH


def _steps_of(text: str) -> list[Step]:
    """Return a pattern without braces as the steps of an automaton."""
    names = [name for name in text.split(SLASH) if name]
    if ".." in names:
        raise ValueError("it has `..` in it; a path is relative to the repository's root")
    steps: list[Step] = []
    for number, name in enumerate(names):
        is_last = number == len(names) - 1
        if name != "**":
            steps += _steps_of_name(name)
            steps += [] if is_last else [(ONE, True, (), 0)]
        elif is_last:
            steps += [(ONE, False, ALL, 0), (LOOP, True, ALL, 0)]
        else:
            steps += [(SKIP, False, (), 2), (LOOP, True, ALL, 0), (ONE, True, (), 0)]
    return steps


def _steps_of_name(name: str) -> Iterator[Step]:
    at = 0
    while at < len(name):
        sign = name[at]
        if sign == "*":
            yield (LOOP, False, ALL, 0)
        elif sign == "?":
            yield (ONE, False, ALL, 0)
        elif sign == "[":
            end = _end_of_set(name, at)
            yield (ONE, False, _ranges_of(name[at + 1 : end]), 0)
            at = end
        else:
            at += sign == "\\"
            code = ord(name[at : at + 1] or "\\")
            yield (ONE, False, ((code, code),), 0)
        at += 1


def _ranges_of(inside: str) -> Ranges:
    """Return the characters of a set, which never has the slash in it."""
    is_negated = inside[0] in "!^"
    signs = inside[is_negated:]
    ranges, at = [], 0
    while at < len(signs):
        if signs[at + 1 : at + 2] == "-" and at + 2 < len(signs):
            ranges.append((ord(signs[at]), ord(signs[at + 2])))
            at += 3
        else:
            ranges.append((ord(signs[at]), ord(signs[at])))
            at += 1
    return _without(ALL, ranges) if is_negated else _common(ALL, tuple(ranges))


def _without(ranges: Ranges, holes: list[tuple[int, int]]) -> Ranges:
    for low, high in holes:
        ranges = (
            tuple(
                part
                for begin, end in ranges
                for part in ((begin, min(end, low - 1)), (max(begin, high + 1), end))
                if part[0] <= part[1]
            )
            if low <= high
            else ranges
        )
    return ranges


def _common(one: Ranges, two: Ranges) -> Ranges:
    return tuple((max(a, c), min(b, d)) for a, b in one for c, d in two if max(a, c) <= min(b, d))


def _meet(one: list[Step], two: list[Step]) -> bool:
    """Return whether two automata accept a path in common; a path has no empty name in it."""
    start = [(a, b, True) for a in _reached(one, 0) for b in _reached(two, 0)]
    seen, left = set(start), start
    while left:
        a, b, is_at_name = left.pop()
        if a == len(one) and b == len(two) and not is_at_name:
            return True
        if a == len(one) or b == len(two):
            continue
        has_slash = one[a][1] and two[b][1] and not is_at_name
        has_other = bool(_common(one[a][2], two[b][2]))
        if not has_slash and not has_other:
            continue
        for c in _reached(one, a if one[a][0] == LOOP else a + 1):
            for d in _reached(two, b if two[b][0] == LOOP else b + 1):
                for state in ([(c, d, True)] if has_slash else []) + ([(c, d, False)] if has_other else []):
                    if state not in seen:
                        seen.add(state)
                        left.append(state)
    return False


def _reached(steps: list[Step], at: int) -> list[int]:
    """Return the places that are reached from one without a character."""
    places = [at]
    for place in places:
        if place < len(steps):
            kind, *_, skipped = steps[place]
            if kind == LOOP:
                places.append(place + 1)
            elif kind == SKIP:
                places += [place + 1, place + 1 + skipped]
    return [place for place in places if place == len(steps) or steps[place][0] != SKIP]


def _can_meet(one: str, two: str) -> bool:
    return one.startswith(two) or two.startswith(one)


def _literal_prefix(text: str) -> str:
    """Return what every match begins with; `a/{b,}` also matches `a`, so the slash before braces is left out."""
    end = next((at for at, sign in enumerate(text) if sign in SPECIAL), len(text))
    return text[:end].rstrip(SLASH) if text.startswith("{", end) else text[:end]


def _literal_suffix(text: str) -> str:
    """Return what every match ends with; `**/b` also matches `b`, so the slash after it is left out."""
    if "\\" in text:
        return ""
    begin = max(map(text.rfind, "*?]}")) + 1
    return text[begin:].lstrip(SLASH) if text.endswith(("**", "}"), 0, begin) else text[begin:]
