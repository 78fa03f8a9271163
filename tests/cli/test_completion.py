"""Completion for the shells."""

from __future__ import annotations

import shutil
import subprocess

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_valid_and_knows_the_commands(person, shell):
    done = person.types("completion", shell)
    assert done.returncode == 0, done.stderr
    for word in ("heartbeat", "doctor", "waiting"):
        assert word in done.stdout
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here to check the script's syntax")
    checked = subprocess.run([shell, "-n"], input=done.stdout, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes_a_command(person):
    script = person.types("completion", "bash").stdout
    asks = "\nCOMP_WORDS=(hallway heartb) COMP_CWORD=1\n_shtab_hallway\necho ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", script + asks], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["heartbeat"]


def test_another_shell_is_an_error(person):
    done = person.types("completion", "basic")
    assert done.returncode == 2
    assert "hint: " in done.stderr
