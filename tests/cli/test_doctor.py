"""What is where, what is wrong, what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import apsw
import pytest

from cli.person import Person


def findings(person: Person, status: int, **environ: str) -> dict[str, dict[str, str]]:
    """What doctor finds, by check."""
    done = person.types("doctor", "--json", **environ)
    assert done.returncode == status, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["is_healthy"] == (status == 0)
    return {each["check"]: each for each in answer["checks"]}


def levels(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {check: each["level"] for check, each in found.items() if each["level"] != "ok"}


def test_a_healthy_bus_has_nothing_wrong(team):
    found = findings(team, 0)
    assert levels(found) == {}
    assert found["sessions"]["detail"] == "2 live"
    assert "0700" in found["folder"]["detail"]
    assert "0600" in found["bus"]["detail"]


def test_a_person_reads_a_line_for_each_look(team):
    team.home.chmod(0o755)
    lines = team.types("doctor").stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if " folder " in line)
    assert lines[at].startswith("! warn")
    assert lines[at + 1].strip() == f"→ chmod 700 {team.home}"


def test_looking_makes_no_bus(person):
    found = findings(person, 0)
    assert "not there yet" in found["bus"]["detail"]
    assert found["bus"]["next"] == "hallway install"
    assert not person.home.exists()


def test_looking_changes_nothing(team):
    def state() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in team.home.iterdir() if path.is_file()}

    before = state()
    findings(team, 0)
    assert state() == before


def test_modes_that_let_others_in_are_a_warning_with_the_cure(team):
    team.home.chmod(0o755)
    team.bus_file.chmod(0o644)
    found = findings(team, 0)
    assert levels(found) == {"folder": "warn", "bus": "warn"}
    for check in ("folder", "bus"):
        subprocess.run(["sh", "-c", found[check]["next"]], check=True)
    assert levels(findings(team, 0)) == {}


def test_an_overdue_session_is_counted_and_left_to_the_next_reader(team):
    connection = apsw.Connection(str(team.bus_file))
    connection.execute("UPDATE sessions SET expires_at = 1, check_at = 1 WHERE session_id = 's1'")
    connection.close()
    for _ in range(2):
        assert findings(team, 0)["sessions"]["detail"].startswith("1 live, 1 overdue")


def test_a_file_that_is_no_database(person):
    person.home.mkdir(mode=0o700)
    person.bus_file.write_text("This is no database. " * 100)
    person.bus_file.chmod(0o600)
    found = findings(person, 1)
    assert levels(found) == {"bus": "fail"}
    assert "not a hallway bus" in found["bus"]["detail"]
    subprocess.run(["sh", "-c", found["bus"]["next"]], check=True)
    assert findings(person, 0)


def test_a_database_of_another_program(person):
    person.home.mkdir(mode=0o700)
    connection = apsw.Connection(str(person.bus_file))
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    assert "another program" in findings(person, 1)["schema"]["detail"]


def test_a_bus_of_a_newer_hallway(team):
    connection = apsw.Connection(str(team.bus_file))
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    found = findings(team, 1)
    assert "9999 is newer" in found["schema"]["detail"]
    assert "upgrade" in found["schema"]["next"]


def test_a_damaged_bus(team):
    with open(team.bus_file, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(team.bus_file.stat().st_size - 4096))
    assert set(levels(findings(team, 1))) & {"contents", "bus"}


def test_a_folder_that_is_a_file(person):
    person.home.write_text("")
    assert "not a folder" in findings(person, 1)["folder"]["detail"]


def test_a_bus_that_is_a_folder(person):
    person.bus_file.mkdir(parents=True)
    person.home.chmod(0o700)
    assert "not a file" in findings(person, 1)["bus"]["detail"]


def test_a_process_that_sits_on_the_write_lock(team):
    connection = apsw.Connection(str(team.bus_file))
    connection.execute("BEGIN IMMEDIATE")
    found = findings(team, 1)
    connection.execute("ROLLBACK")
    connection.close()
    assert "another process has held the write lock" in found["writing"]["detail"]


# Drops what lets an administrator write everywhere, so that modes mean to it what they mean to everybody.
POWERLESS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []


@pytest.mark.skipif(bool(POWERLESS) and not shutil.which("setpriv"), reason="an administrator may write everywhere")
@pytest.mark.parametrize(("locked", "check"), [("parent", "folder"), ("home", "folder"), ("home/bus.db", "writing")])
def test_a_place_this_user_may_not_write(tmp_path, locked, check):
    parent = tmp_path / "parent"
    person = Person(parent / "home")
    parent.mkdir()
    if locked != "parent":
        person.types("heartbeat", "s1")
    mode = (parent / locked.removeprefix("parent")).stat().st_mode
    (parent / locked.removeprefix("parent")).chmod(mode & 0o555)
    done = person.runs([*POWERLESS, *person.command("doctor", "--json")])
    (parent / locked.removeprefix("parent")).chmod(mode)
    assert done.returncode == 1, done.stderr
    found = {each["check"]: each for each in json.loads(done.stdout)["checks"]}
    assert levels(found)[check] == "fail"
    assert "not yours to write" in found[check]["detail"] or "may not be written" in found[check]["detail"]


class Health(BaseHTTPRequestHandler):
    """A hub, as far as doctor asks; any other path shows that this is none."""

    def do_GET(self) -> None:
        body = b'{"status":"ok","version":"9.9"}' if self.path == "/health" else b"{}"
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_a_hub_that_answers(person):
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        healthy, other = findings(person, 0, HALLWAY_URL=url), findings(person, 1, HALLWAY_URL=f"{url}/elsewhere")
        server.shutdown()
        thread.join()
    assert "hallway 9.9" in healthy["hub"]["detail"]
    assert "does not answer as a hub" in other["hub"]["detail"]
    assert not person.home.exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://127.0.0.1:no-port", "http://"])
def test_a_hub_that_does_not_answer(person, url):
    found = findings(person, 1, HALLWAY_URL=url)
    assert "does not answer" in found["hub"]["detail"]
    assert "unset HALLWAY_URL" in found["hub"]["next"]


def test_an_address_of_no_kind(person):
    assert findings(person, 1, HALLWAY_URL="ftp://example.org")["address"]["level"] == "fail"
