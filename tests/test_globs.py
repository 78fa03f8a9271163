"""Globs of paths: what they match, and whether two have a path in common, held against a matcher by brute force."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hallway.core.globs import Glob, glob_of, normalize

LETTERS = "ab"
PATHS = [
    "/".join("".join(name) for name in names)
    for lengths in [(1,), (2,), (3,), (1, 1), (2, 1), (1, 2), (2, 2), (1, 1, 1), (2, 1, 1), (1, 1, 2), (1, 1, 1, 1)]
    for names in product(*(list(product(LETTERS, repeat=length)) for length in lengths))
]


@lru_cache(100_000)
def is_match(pattern: str, path: str) -> bool:
    """Decide by the standard library's regular expressions, name by name."""
    return any(fits(each.split("/"), path.split("/")) for each in without_braces(pattern))


def without_braces(pattern: str) -> list[str]:
    found = re.search(r"\{([^{}]*)\}", pattern)
    if not found:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [each for choice in found[1].split(",") for each in without_braces(before + choice + after)]


def fits(names: list[str], path: list[str]) -> bool:
    names = [name for name in names if name]
    if not names:
        return not path
    if names[0] == "**":
        if len(names) == 1:
            return bool(path)
        return any(fits(names[1:], path[at:]) for at in range(len(path) + 1))
    regex = re.sub(r"\*+", "[^/]*", names[0].replace("?", "[^/]").replace("[!", "[^"))
    return bool(path) and re.fullmatch(regex, path[0]) is not None and fits(names[1:], path[1:])


names = st.one_of(
    st.just("**"),
    st.lists(
        st.sampled_from(["a", "b", "*", "?", "[ab]", "[!a]", "[a-b]", "{a,b}", "{a,bb,*}"]), min_size=1, max_size=3
    ).map("".join),
)
patterns = st.lists(names, min_size=1, max_size=4).map("/".join).filter(lambda pattern: pattern.count("{") <= 3)


@given(patterns, patterns)
@settings(max_examples=600, deadline=None)
def test_two_patterns_overlap_exactly_when_a_path_matches_both(one: str, two: str) -> None:
    common = [path for path in PATHS if is_match(one, path) and is_match(two, path)]
    is_overlap = Glob(one).overlaps(Glob(two))
    assert is_overlap == Glob(two).overlaps(Glob(one))
    if common or fewest_characters(one) + fewest_characters(two) <= 4:
        assert is_overlap == bool(common), common[:3]


def fewest_characters(pattern: str) -> int:
    return len(re.sub(r"\[[^]]*\]|\{[^}]*\}", "x", pattern))


@given(patterns, st.sampled_from(PATHS))
@settings(max_examples=600, deadline=None)
def test_a_pattern_matches_what_the_names_one_by_one_match(pattern: str, path: str) -> None:
    assert Glob(pattern).matches(path) == is_match(pattern, path)
    assert Glob(pattern).matches(path.swapcase(), ignore_case=True) == is_match(pattern.lower(), path.lower())


@given(patterns, st.sampled_from(PATHS))
@settings(max_examples=300, deadline=None)
def test_every_match_has_the_literal_beginning_and_end(pattern: str, path: str) -> None:
    glob = Glob(pattern)
    if is_match(pattern, path):
        assert path.lower().startswith(glob.prefix)
        assert path.lower().endswith(glob.suffix)
        least, most = glob.depths
        assert least <= path.count("/") + 1 <= most


@pytest.mark.parametrize(
    ("one", "two", "is_overlap"),
    [
        ("src/api/**", "src/api/users.py", True),
        ("src/api/**", "src/api", False),
        ("src/api/**", "src/apis/users.py", False),
        ("src/**/test_*.py", "src/test_a.py", True),
        ("**/*.py", "docs/*.md", False),
        ("*.py", "src/a.py", False),
        ("**", "README.md", True),
        ("src/[a-m]*/x", "src/[n-z]*/x", False),
        ("a/{b,c}/d", "a/c/*", True),
        ("a*b", "ab", True),
        ("a?b", "ab", False),
        (r"what\?.md", "what?.md", True),
        (r"what\?.md", "whatx.md", False),
        ("src/x**y/z", "src/xabcy/z", True),
        ("src/x**y/z", "src/xa/by/z", False),
    ],
)
def test_some_that_people_write(one: str, two: str, is_overlap: bool) -> None:
    assert Glob(one).overlaps(Glob(two)) == Glob(two).overlaps(Glob(one)) == is_overlap


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("src/api/", "src/api/**"),
        ("./src//a.py", "src/a.py"),
        ("src/**/", "src/**"),
        ("cafe\u0301.md", "caf\u00e9.md"),
    ],
)
def test_a_pattern_is_kept_in_one_form(written: str, kept: str) -> None:
    assert normalize(written) == normalize(kept) == kept


@pytest.mark.parametrize(
    "wrong", ["", "/", "./.", "/etc/passwd", "../other", "a/../b", "a[b", "a{b,c", "{a,b}" * 7, "{..,a}/b"]
)
def test_a_pattern_that_names_no_path_of_the_repository_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalize(wrong)


def test_case_decides_only_where_the_file_system_tells_it() -> None:
    assert not glob_of("Src/**").overlaps(glob_of("src/a.py"))
    assert glob_of("Src/**").overlaps(glob_of("src/a.py"), ignore_case=True)
    assert not glob_of("[!a].py").matches("A.py", ignore_case=True)


def test_a_hostile_pair_of_patterns_is_decided_in_bounded_time() -> None:
    one, two = "*a" * 120 + "b", "*a" * 120 + "c"
    assert not Glob(one).overlaps(Glob(two))
