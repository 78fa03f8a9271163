"""The commands of docs/how-to/several-agents.md, typed one after the other in a repository with two sessions."""

from __future__ import annotations

import re
from pathlib import Path

from cli.repository import ALICE, BOB, Repository

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "several-agents.md"


def commands() -> list[tuple[str, list[str]]]:
    """The commands of the page's console blocks, each with the lines that it is shown to print."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    found: list[tuple[str, list[str]]] = []
    for line in "".join(blocks).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def test_the_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    shop = Repository(tmp_path)
    for session_id, name in ((ALICE, "login-form"), (BOB, "checkout")):
        shop.gets("rename", session_id, name)
    assert len(commands()) >= 9
    for command, shown in commands():
        done = shop.runs(["bash", "-c", command])
        said = done.stdout + done.stderr
        is_refused = any(line.startswith("hallway:") for line in shown)
        assert (done.returncode != 0) == is_refused, f"{command}\n{said}"
        for line in filter(lambda each: each != "…", shown):
            pattern = ".*".join(map(re.escape, line.split("…")))
            assert re.search(f"^{pattern}$", said, re.MULTILINE), f"{command} prints no {line!r}:\n{said}"
