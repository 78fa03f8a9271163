"""The bus of a person who types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.person import Person

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path / "home")


@pytest.fixture
def team(person: Person) -> Person:
    """A person on a bus with two sessions."""
    person.types("register", "s1", "alice's claude", "claude-code", "--name", "s1", "--capabilities", "go,review")
    person.types("register", "s2", "bob's codex", "codex", "--name", "s2", "--user", "bob", "--status", "waiting")
    return person
