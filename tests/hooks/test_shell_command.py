"""What a shell command writes, as far as it can be read: a best effort that never takes a reader for a writer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hallway.agents.hook.shell_command import written_files

WRITES = {
    "echo x > a.py": ["a.py"],
    "echo x >> a.py": ["a.py"],
    "echo x >a.py 2>errors.txt": ["a.py", "errors.txt"],
    "make >| out.log": ["out.log"],
    "make &> out.log": ["out.log"],
    "make &>> out.log": ["out.log"],
    "make 2>&1 >/dev/null": ["/dev/null"],
    "> a.py": ["a.py"],
    "cat > 'my file.py' <<'EOF'\n> not.py\nrm not.py\nEOF\nrm b.py": ["my file.py", "b.py"],
    "cat <<-EOF > a.py\n\tx > not.py\n\tEOF\necho y > b.py": ["a.py", "b.py"],
    "cat <<< 'x > not.py' > a.py": ["a.py"],
    "make | tee -a log.txt other.txt": ["log.txt", "other.txt"],
    "sed -i 's/a/b/' a.py b.py": ["a.py", "b.py"],
    "sed -i.bak -e 's/a > b/c/' a.py": ["a.py"],
    "sed -Ei 's/a/b/' a.py": ["a.py"],
    "sed -ni -f script.sed a.py": ["a.py"],
    "sed -i '' 's/a/b/' a.py": ["a.py"],
    "sed --in-place=.bak --expression='s/a/b/' a.py": ["a.py"],
    "sed -i $SCRIPT a.py": ["a.py"],
    "mv a.py b.py": ["a.py", "b.py"],
    "mv a.py b.py folder": ["a.py", "b.py", "folder/a.py", "folder/b.py"],
    "mv -t folder a.py": ["a.py", "folder/a.py"],
    "mv folder new": ["folder", "new/"],
    "cp a.py new/": ["new/a.py"],
    "cp -r folder new": ["new/"],
    "cp -a folder folder": ["folder/folder/"],
    "cp --target-directory=folder a.py": ["folder/a.py"],
    "rm -rf folder a.py": ["folder", "a.py"],
    "rm -- -a.py": [],
    "rm *.py": ["a.py", "b.py"],
    "rm {a,b}.py": ["a.py", "b.py"],
    "rm '*.py'": ["*.py"],
    "rm folder/?.md": ["folder/c.md"],
    "git checkout -- a.py b.py": ["a.py", "b.py"],
    "git checkout main -- folder": ["folder"],
    "git -C folder restore c.md": ["folder/c.md"],
    "git restore --source HEAD~1 --staged --worktree a.py": ["a.py"],
    "git rm -r folder": ["folder"],
    "git mv a.py new.py": ["a.py", "new.py"],
    "cd folder && rm c.md": ["folder/c.md"],
    "(cd folder && rm c.md); rm a.py": ["folder/c.md", "a.py"],
    "sudo -n rm a.py": ["a.py"],
    "LANG=C env X=1 rm a.py": ["a.py"],
    "if true; then rm a.py; else rm b.py; fi": ["a.py", "b.py"],
    "bash -lc 'cd folder; rm c.md'": ["folder/c.md"],
    "sh -c \"echo 'x' > a.py\"": ["a.py"],
    "rm a.py # and not.py\nrm b.py": ["a.py", "b.py"],
    "echo a\\\nb > a.py": ["a.py"],
    "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: a.py\n*** Move to: new.py\n*** End Patch\nEOF": [
        "a.py",
        "new.py",
    ],
}
READS = (
    "cat a.py",
    "grep -n '>' a.py",
    'echo "x > a.py"',
    "echo x \\> a.py",
    "sed 's/a/b/' a.py",
    "sed -n 1,5p a.py",
    "git checkout main",
    "git restore --staged a.py",
    "git status",
    "make 2>&1",
    "cat < a.py",
    "diff <(cat a.py) b.py",
    "echo $((3 > 2))",
    "((a > b)) && true",
    "[[ a > b ]] && [[ $x > y ]]",
    "echo $(cat x > y)",
    "# rm a.py",
    "",
)
UNKNOWN = ("echo x > $FILE", 'rm "$HOME/a.py"', "rm `cat list`", "cd $DIR && rm a.py", "xargs rm", 'eval "$x"')
BROKEN = (
    "echo 'x",
    'echo "x',
    "cat <<EOF",
    "rm ((((",
    "> ",
    "$(",
    "`",
    "${",
    "\\",
    "bash -c",
    "[[ a > b",
    "rm [a",
    "rm {a",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.py", "b.py", "folder/c.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def written(command: str, folder: Path) -> list[str]:
    return [each.removeprefix(f"{folder}{os.sep}") for each in written_files(command, str(folder))]


@pytest.mark.promise("C2")
@pytest.mark.parametrize(("command", "paths"), WRITES.items())
def test_what_a_command_writes(command: str, paths: list[str], folder: Path) -> None:
    assert written(command, folder) == paths


@pytest.mark.parametrize("command", READS)
def test_what_only_reads_writes_nothing(command: str, folder: Path) -> None:
    assert written(command, folder) == []


@pytest.mark.parametrize("command", UNKNOWN)
def test_what_only_the_shell_knows_is_left_out(command: str, folder: Path) -> None:
    assert written(command, folder) == []


@pytest.mark.parametrize("command", BROKEN)
def test_what_is_no_command_breaks_nothing(command: str, folder: Path) -> None:
    assert isinstance(written(command, folder), list)


def test_a_long_command_is_read_quickly_and_shells_in_shells_end(folder: Path) -> None:
    assert len(written("echo x > a.py; " * 100_000, folder)) < 10_000
    command = "rm a.py"
    for _ in range(5):
        command = f"sh -c {command!r}" if "'" not in command else f'sh -c "{command}"'
    assert written("bash -c 'bash -c \"rm a.py\"'", folder) == ["a.py"]
    assert isinstance(written(command, folder), list)


def test_nothing_is_run(folder: Path) -> None:
    written("rm a.py $(rm b.py) `rm folder/c.md`; touch new.py", folder)
    assert sorted(each.name for each in folder.iterdir()) == ["a.py", "b.py", "folder"]
