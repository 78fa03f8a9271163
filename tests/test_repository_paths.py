"""A path that a person types becomes one name of the file, the same from every folder, worktree and link."""

from __future__ import annotations

from pathlib import Path

import pytest

from hallway.core.errors import InvalidInput
from hallway.local.repository_paths import ignores_case, path_in_repository
from hallway.local.workspace import find_repository
from test_repositories import git


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "shop"
    (root / "src" / "api").mkdir(parents=True)
    (root / "src" / "api" / "users.py").touch()
    (root / "docs [old]").mkdir()
    git(root, "init", "--quiet", "-b", "main")
    return root


@pytest.mark.parametrize(
    ("folder", "typed", "path"),
    [
        (".", "src/api/users.py", "src/api/users.py"),
        ("src", "api/users.py", "src/api/users.py"),
        ("src/api", "../api/users.py", "src/api/users.py"),
        ("src", "api", "src/api/**"),
        ("src", "api/", "src/api/**"),
        ("src", "new/", "src/new/**"),
        ("src", "api/**", "src/api/**"),
        ("src", "*.py", "src/*.py"),
        ("src", "../docs*/[a-z].md", "docs*/[a-z].md"),
        (".", ".", "**"),
        (".", "**", "**"),
        ("docs [old]", "a.md", "docs \\[old]/a.md"),
        (".", "not/there/yet.py", "not/there/yet.py"),
    ],
)
def test_a_typed_path_is_relative_to_the_root(shop: Path, folder: str, typed: str, path: str) -> None:
    assert path_in_repository(typed, str(shop / folder)) == path


def test_an_absolute_path_and_a_link_are_the_file_itself(shop: Path) -> None:
    (shop / "link").symlink_to("src/api")
    assert path_in_repository("link/users.py", str(shop)) == "src/api/users.py"
    assert path_in_repository("link/*.py", str(shop)) == "src/api/*.py"
    assert path_in_repository(str(shop / "src" / "api" / "users.py"), str(shop / "src")) == "src/api/users.py"


def test_an_empty_text_is_no_path(shop: Path) -> None:
    with pytest.raises(InvalidInput, match="an empty text names no path"):
        path_in_repository("", str(shop))


@pytest.mark.parametrize("typed", ["/etc/passwd", "../other/a.py", "out/a.py", "~/notes.md"])
def test_a_path_outside_of_the_repository_is_refused(shop: Path, typed: str) -> None:
    (shop / "out").symlink_to("/etc")
    with pytest.raises(InvalidInput, match="outside of the repository"):
        path_in_repository(typed, str(shop))


def test_every_worktree_means_the_same_file(shop: Path, tmp_path: Path) -> None:
    git(shop, "commit", "--quiet", "--allow-empty", "-m", "first")
    other = tmp_path.resolve() / "other"
    git(shop, "worktree", "add", "--quiet", str(other))
    (other / "src").mkdir()
    repository = find_repository(str(other / "src"))
    assert repository is not None
    assert repository.folder == str(other)
    assert path_in_repository("a.py", str(other / "src")) == path_in_repository("a.py", str(shop / "src")) == "src/a.py"


def test_git_says_whether_case_counts(shop: Path) -> None:
    git(shop, "config", "core.ignorecase", "false")
    assert not ignores_case(str(shop / "src"))
    git(shop, "config", "core.ignorecase", "true")
    assert ignores_case(str(shop / "src"))
    assert not ignores_case("/")
