"""Each sink sends what it should and no more: headlines, signatures, arguments, and only to allowed addresses (H3)."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from pathlib import Path
from threading import Thread

import pytest

from hallway.core.errors import NotificationFailed
from hallway.notifications import address_check
from hallway.notifications.address_check import is_public
from hallway.notifications.command_sink import CommandSink, environment
from hallway.notifications.desktop import SESSION_BUSES, DesktopSink
from hallway.notifications.notification import Notification, sample_notification
from hallway.notifications.rules import SinkOptions
from hallway.notifications.terminal_sink import TerminalSink
from hallway.notifications.webhook import WebhookSink
from notifications.receiver import Receiver, webhook

SECRET = "s3cret"
HOSTILE = "\x1b]0;owned\x07 $(touch /tmp/owned) `id` <b>&amp; ; -x \u202e"


@pytest.fixture
def notification() -> Notification:
    item = sample_notification().item.replace(name="login-form", project="github.com/acme/shop", what="Which port?")
    return Notification(item, "0123456789abcdef")


@pytest.fixture
def hostile() -> Notification:
    return Notification(sample_notification().item.replace(name="-x", what=HOSTILE, is_urgent=True), "0" * 16)


@pytest.mark.promise("H3")
def test_a_webhook_is_signed_over_its_time_and_body(receiver, notification):
    WebhookSink(webhook(receiver, secret=SECRET)).send(notification)
    (request,) = receiver.requests
    stamp = request.headers["hallway-timestamp"]
    signed = hmac.new(SECRET.encode(), stamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert request.headers["hallway-signature"] == f"sha256={signed}"
    assert abs(int(stamp) - time.time()) < 300
    assert request.headers["idempotency-key"] == notification.key
    assert request.path == "/in?team=1"


@pytest.mark.promise("H3")
def test_only_the_headline_leaves_the_machine_unless_the_file_allows_more(receiver, notification):
    WebhookSink(webhook(receiver)).send(notification)
    WebhookSink(webhook(receiver, send_text=True)).send(notification)
    headline, whole = (request.json for request in receiver.requests)
    assert headline["headline"] == "login-form asks a question (shop)"
    assert set(headline) == {"headline", "item_id", "kind", "is_urgent", "project", "name", "since"}
    assert b"Which port?" not in receiver.requests[0].body
    assert whole["what"] == "Which port?"


@pytest.mark.promise("H3")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_webhook_follows_no_redirect(receiver, notification, status):
    with Receiver(lambda _: (status, {})) as bad:
        bad.headers["Location"] = f"{receiver.url}/elsewhere"
        with pytest.raises(NotificationFailed) as failed:
            WebhookSink(webhook(bad)).send(notification)
    assert failed.value.is_final
    assert receiver.requests == []


@pytest.mark.parametrize(("status", "is_final"), [(500, False), (503, False), (429, False), (400, True), (404, True)])
def test_a_webhook_is_tried_again_where_that_may_help(notification, status, is_final):
    with Receiver(lambda _: (status, {})) as bad, pytest.raises(NotificationFailed) as failed:
        WebhookSink(webhook(bad)).send(notification)
    assert failed.value.is_final == is_final


@pytest.mark.promise("H3")
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104 (it is not bound to)
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%lo",
        "fc00::1",
        "fd12::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "2001:db8::1",
    ],
)
def test_addresses_of_this_machine_and_its_network_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.promise("H3")
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_a_webhook_reaches_this_machine_in_no_way_of_writing_it(receiver, notification, host):
    sink = WebhookSink(SinkOptions("hook", "webhook", url=f"http://{host}:{receiver.port}/"))
    with pytest.raises(NotificationFailed) as failed:
        sink.send(notification)
    assert failed.value.is_final
    assert receiver.requests == []


@pytest.mark.promise("H3")
def test_a_host_with_one_private_address_among_public_ones_is_refused(notification, monkeypatch):
    found = [(2, 1, 6, "", (each, 80)) for each in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(address_check.socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(address_check.socket, "create_connection", lambda *_: pytest.fail("it was connected to"))
    with pytest.raises(NotificationFailed, match=r"10\.0\.0\.1"):
        WebhookSink(SinkOptions("hook", "webhook", url="http://example.com/")).send(notification)


@pytest.mark.promise("H3")
def test_the_connection_goes_to_the_address_that_was_checked(receiver, notification, monkeypatch):
    """A name server that answers differently the second time changes nothing: there is no second time."""
    answers = [[(2, 1, 6, "", ("93.184.216.34", 80))], [(2, 1, 6, "", ("127.0.0.1", receiver.port))]]
    connected = []
    monkeypatch.setattr(address_check.socket, "getaddrinfo", lambda *_, **__: answers.pop(0))

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address)
        raise OSError("not today")

    monkeypatch.setattr(address_check.socket, "create_connection", connect)
    with pytest.raises(NotificationFailed, match="not today"):
        WebhookSink(SinkOptions("hook", "webhook", url="http://rebind.example/")).send(notification)
    assert connected == [("93.184.216.34", 80)]
    assert len(answers) == 1


@pytest.mark.promise("H3")
def test_a_webhook_that_sends_byte_after_byte_is_cut_off(notification, monkeypatch):
    monkeypatch.setattr("hallway.notifications.webhook.LIMIT_S", 1.0)
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listening.accept()
        try:
            for _ in range(600):
                connection.sendall(b"H")
                time.sleep(0.1)
        except OSError:
            pass
        connection.close()

    thread = Thread(target=drip, daemon=True)
    thread.start()
    port = listening.getsockname()[1]
    sink = WebhookSink(SinkOptions("hook", "webhook", url=f"http://127.0.0.1:{port}/", allow_private=True))
    began = time.monotonic()
    with pytest.raises(NotificationFailed):
        sink.send(notification)
    assert time.monotonic() - began < 50
    thread.join(60)
    listening.close()


def test_a_reply_without_end_is_not_read_to_its_end(notification):
    with Receiver(lambda _: (200, b"x" * 10_000_000)) as talking:
        assert WebhookSink(webhook(talking)).send(notification) is None


def test_what_a_webhook_shows_of_itself_holds_no_secret():
    url = "https://hooks.example.com/services/T000/B000/XXXX?key=abc"
    assert WebhookSink(SinkOptions("hook", "webhook", url=url, secret=SECRET)).describe() == "https://hooks.example.com"


@pytest.mark.promise("H3")
def test_a_command_gets_the_item_as_json_and_in_its_environment_and_no_shell_reads_it(tmp_path, hostile):
    found = tmp_path / "found"
    script = tmp_path / "script.py"
    script.write_text(
        "import json, os, sys\n"
        f"open({str(found)!r}, 'w').write(json.dumps([sys.argv[1:], json.load(sys.stdin), dict(os.environ)]))\n"
    )
    import sys

    CommandSink(SinkOptions("c", "command", command=f"{sys.executable} {script} 'a b' '$HOME'")).send(hostile)
    arguments, item, environ = json.loads(found.read_text())
    assert arguments == ["a b", "$HOME"]
    assert item["what"] == HOSTILE
    assert environ["HALLWAY_ITEM_KIND"] == "question"
    assert environ["HALLWAY_ITEM_IS_URGENT"] == "true"
    assert environ["HALLWAY_ITEM_WHAT"].isprintable()
    assert not Path("/tmp/owned").exists()


def test_a_text_that_no_environment_can_hold_is_cleaned(hostile):
    notification = Notification(hostile.item.replace(what="a\0b"), "k")
    assert environment(notification)["HALLWAY_ITEM_WHAT"] == "a␀b"


@pytest.mark.parametrize(("command", "why"), [("false", "status 1"), ("/no/such/program", "cannot be started")])
def test_a_command_that_fails_says_how(notification, command, why):
    with pytest.raises(NotificationFailed, match=why):
        CommandSink(SinkOptions("c", "command", command=command)).send(notification)


def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path, notification, monkeypatch):
    monkeypatch.setattr("hallway.notifications.command_sink.LIMIT_S", 1.0)
    pid = tmp_path / "pid"
    command = f"sh -c 'sleep 600 & echo $! > {pid}; wait'"
    with pytest.raises(NotificationFailed, match="did not end"):
        CommandSink(SinkOptions("c", "command", command=command)).send(notification)
    from support import until

    until(lambda: not is_running(int(pid.read_text())))


def is_running(pid: int) -> bool:
    try:
        return "(sleep) Z" not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.promise("H3")
def test_the_desktop_shows_hostile_text_as_text(person, shown, hostile, monkeypatch):
    for name in ("PATH", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, person.environ[name])
    DesktopSink(SinkOptions("d", "desktop")).send(hostile)
    (arguments,) = shown()
    options, texts = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    assert options == ["--app-name=hallway", "--urgency=critical"]
    headline, text = texts
    assert headline == "Urgent: -x asks a question (hallway)"
    assert "&lt;b&gt;&amp;amp;" in text
    assert text.isprintable()


def test_on_macos_the_texts_are_arguments_of_the_script(tmp_path, hostile, monkeypatch):
    shown = tmp_path / "shown"
    program = tmp_path / "osascript"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {shown}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("hallway.notifications.desktop.sys.platform", "darwin")
    DesktopSink(SinkOptions("d", "desktop")).send(hostile)
    assert "owned" not in shown.read_text().partition("end run")[0]
    assert "--\nUrgent: -x asks" in shown.read_text()


def test_without_a_desktop_the_error_says_what_to_install(notification, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotificationFailed) as failed:
        DesktopSink(SinkOptions("d", "desktop")).send(notification)
    assert "libnotify" in failed.value.hint


def test_a_program_outside_of_the_desktop_session_says_so(person, notification, monkeypatch):
    monkeypatch.setenv("PATH", person.environ["PATH"])
    for name in SESSION_BUSES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NotificationFailed, match="no desktop session"):
        DesktopSink(SinkOptions("d", "desktop")).send(notification)


@pytest.mark.parametrize("sequence", ["bell", "osc9", "osc777"])
@pytest.mark.parametrize("tmux", ["", "/tmp/tmux-0/default,1,0"])
def test_a_terminal_gets_one_sequence_that_no_text_can_break_out_of(hostile, monkeypatch, sequence, tmux):
    monkeypatch.setenv("TMUX", tmux)
    written = TerminalSink(SinkOptions("t", "terminal", sequence=sequence)).sequence(hostile)
    assert written.endswith("\x07")
    assert written.count("\x07") == 1, "the text holds a bell"
    if sequence == "bell":
        return
    begin = "\x1bPtmux;\x1b\x1b]" if tmux else "\x1b]"
    end = "\x1b\x1b\\\x1b\\\x07" if tmux else "\x1b\\\x07"
    assert written.startswith(begin)
    assert written.endswith(end)
    assert "\x1b" not in written.removeprefix(begin).removesuffix(end)
    if sequence == "osc777":
        title = written.removeprefix(begin).removeprefix("777;notify;").partition(";")[0]
        assert title == "Urgent: -x asks a question (hallway)"
