"""Commands that are typed in a folder that was removed meanwhile, as worktrees often are, do what they can there."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from cli.person import TIMEOUT_S, Person


def types_in_a_gone_folder(person: Person, *words: str) -> subprocess.CompletedProcess[str]:
    gone = shlex.quote(str(person.home.parent / "gone"))
    script = f"mkdir {gone} && cd {gone} && rmdir {gone} && exec {shlex.join(person.command(*words))}"
    return subprocess.run(
        ["bash", "-c", script], env=person.environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("install", "--dry-run"),
        ("claim", "settings.py", "--as", "s1"),
        ("send", "me", "s1", "Hello"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_works_in_a_folder_that_is_gone(person: Person, words: tuple[str, ...]) -> None:
    person.types("register", "s1", "an agent", "codex")
    done = types_in_a_gone_folder(person, *words)
    assert (done.returncode, done.stderr) == (0, "")


def test_doctor_works_in_a_folder_that_is_gone(person: Person) -> None:
    done = types_in_a_gone_folder(person, "doctor", "--json")
    assert done.stderr == ""
    assert "project" in {each["check"] for each in json.loads(done.stdout)["checks"]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("install", "--project", "codex"), "gone is not there any more"),
        (("uninstall", "--project"), "gone is not there any more"),
        (("install", "--guard"), "gone is in no git repository"),
        (("beacon",), "gone cannot be opened"),
    ],
    ids=lambda words: " ".join(words),
)
def test_what_would_write_there_says_that_it_is_gone(person: Person, words: tuple[str, ...], says: str) -> None:
    done = types_in_a_gone_folder(person, *words)
    assert done.returncode not in (0, 1)
    assert says in done.stderr
    assert not (person.home.parent / "gone").exists()
