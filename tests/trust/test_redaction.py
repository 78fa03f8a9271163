"""No password of an address reaches a text: errors, logs, doctor, project names."""

import json
import logging
import subprocess
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hallway
from cli.person import Person
from hallway.agents.hook import log as hook_log
from hallway.core.errors import HallwayError, UnsupportedUrl
from hallway.core.redaction import has_unencoded_user, redact, redact_url
from hallway.hub.serve import LogFormatter
from hallway.local.workspace import normalise_remote, resolve_project

SECRET = "Kq7Zw9Xv"
FORMS = (
    "http://u:{}@h.example:7433",
    "https://{}@h.example/acme",
    "postgresql://u:p/{}@h.example/bus",
    "postgresql://u:a@{}@h.example/bus",
    "postgresql://u:pa%zz{}@h.example/bus",
    "postgresql://u:1/{}@h.example/bus",
    "postgresql://u:p?{}@h.example/bus",
    "postgresql://u:p#{}@h.example/bus",
    "postgresql://u:a://{}@h.example/bus",
    "postgresql://u:{}@h1.example,h2.example/bus",
    "postgresql://h.example/bus?user=u&password={}",
    "postgresql://h.example/bus?sslpassword={}&user=u",
    "host=h.example password={}",
    "host=h.example password = 'a b{}' user=u",
    "host=h.example password='it\\'s {}'",
    "host=h.example PASSWORD=a\\ b{}",
    "host=h.example sslpassword={} port=5432",
)


@pytest.mark.parametrize("form", FORMS)
def test_an_address_is_shown_without_its_password_alone_and_in_a_longer_text(form):
    address = form.format(SECRET)

    assert SECRET not in redact_url(address)
    shown = redact(f"the bus {address} does not answer: refused")

    assert SECRET not in shown
    assert shown.startswith("the bus ")
    assert shown.endswith(" does not answer: refused")
    assert redact(shown) == shown


def test_a_text_without_a_password_stays_as_it_is():
    for text in (
        "no hub answers at http://127.0.0.1:7433: refused",
        "postgresql://alice@db.example/bus is locked",
        "https://registry.example/@scope/thing",
        "sessions alice@desk and bob@desk",
        "limit=20, after=12",
    ):
        assert redact(text) == text


ANY_PASSWORD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]), max_size=12)


@given(before=ANY_PASSWORD, behind=ANY_PASSWORD, scheme=st.sampled_from(["http", "https", "postgresql", "ssh"]))
@settings(max_examples=300)
def test_whatever_a_password_holds_it_is_not_shown(before, behind, scheme):
    address = f"{scheme}://user:{before}{SECRET}{behind}@h.example/bus"

    assert SECRET not in redact_url(address)
    assert SECRET not in redact(f"cannot open {address} now")
    assert SECRET not in str(HallwayError(f"cannot open {address}"))
    assert SECRET not in normalise_remote(address)


@given(value=st.text(max_size=12))
@settings(max_examples=200)
def test_whatever_a_quoted_password_holds_it_is_not_shown(value):
    quoted = f"{value}{SECRET}".replace("\\", "\\\\").replace("'", "\\'")

    assert SECRET not in redact(f"bad string host=h password='{quoted}' user=u")


@given(password=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12))
@settings(max_examples=100)
def test_an_encoded_password_opens_and_another_is_refused_with_what_to_do(password):
    assert not has_unencoded_user(f"postgresql://u:{quote(password, safe='')}@h.example:5432/bus?application_name=a")


@pytest.mark.parametrize("form", FORMS[2:9])
def test_an_address_that_libraries_would_cut_elsewhere_is_refused_before_they_see_it(form):
    with pytest.raises(UnsupportedUrl) as caught:
        hallway.connect(form.format(SECRET))

    assert SECRET not in json.dumps(caught.value.to_dict())
    assert "%40" in caught.value.hint


@pytest.mark.parametrize("address", [f"http://u:p/{SECRET}@h.example:1", f"http://u:a@{SECRET}@h.example:1"])
def test_a_hubs_address_that_would_be_cut_elsewhere_is_refused(address):
    with pytest.raises(UnsupportedUrl) as caught:
        hallway.connect(address)

    assert SECRET not in str(caught.value)


def test_a_connection_string_is_refused_and_names_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UnsupportedUrl, match="connection string"):
        hallway.connect(f"host=h.example password={SECRET}")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", [FORMS[0], FORMS[2], FORMS[3], FORMS[4], FORMS[9], FORMS[12]])
def test_no_command_shows_a_password(form, tmp_path):
    address = form.format(SECRET).replace("h.example:7433", "127.0.0.1:1").replace("h.example", "127.0.0.1:1")
    for command in (
        ("doctor", "--json"),
        ("list",),
        ("use",),
        ("use", "--json"),
        ("login", address),
        ("open", "--print", address),
    ):
        done = Person(tmp_path / "home").types(*command, HALLWAY_URL=address)

        assert done.returncode or command[0] == "use"
        assert SECRET not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_no_log_shows_a_password(tmp_path):
    address = f"postgresql://u:p/{SECRET}@h.example/bus"
    hook_log.note(str(tmp_path), "claude-code", f"cannot open {address}")
    record = logging.makeLogRecord({"msg": "lost %s", "args": (address,), "levelname": "INFO", "address": address})

    assert SECRET not in "".join(hook_log.last(str(tmp_path)))
    assert SECRET not in LogFormatter("json").format(record)
    assert SECRET not in LogFormatter("text").format(record)


@pytest.mark.parametrize("password", [SECRET, f"p/{SECRET}", f"a@{SECRET}", f"1/{SECRET}", f"%zz{SECRET}"])
def test_no_project_is_named_after_a_remotes_password(password, tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    remote = f"https://u:{password}@github.com/acme/shop"
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)

    assert resolve_project(str(tmp_path), {}) == "github.com/acme/shop"
    assert resolve_project(str(tmp_path), {"HALLWAY_PROJECT": remote}) == "github.com/acme/shop"
