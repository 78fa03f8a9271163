"""What terminal, page and TUI share."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from hallway.core.model import STATUSES, PeerSession
from hallway.text.sanitize import clean_json, sanitize
from hallway.text.style import STYLES, age, duration, in_order, size, style_of


def peer(session_id: str, status: str, silent_s: int) -> PeerSession:
    return PeerSession(
        session_id=session_id,
        name=session_id,
        agent_name="a",
        agent_type="t",
        status=status,
        reason=None,
        detail=None,
        status_s=0,
        current_task=None,
        human_user=None,
        branch=None,
        silent_s=silent_s,
    )


def test_every_status_has_a_look_of_its_own():
    assert set(STYLES) == set(STATUSES)
    assert len({each.glyph for each in STYLES.values()}) == len(STYLES)


def test_a_status_of_a_newer_hub_has_a_look_too():
    assert style_of("dreaming").glyph == "?"


def test_who_waits_comes_first_and_the_order_within_a_status_is_kept():
    found = [
        peer("off", "offline", 0),
        peer("odd", "dreaming", 0),
        peer("new", "working", 4),
        peer("on", "active", 5),
        peer("idle", "idle", 6),
        peer("ask", "waiting", 7),
        peer("old", "working", 8),
    ]
    assert [each.session_id for each in in_order(found)] == ["ask", "new", "old", "on", "idle", "off", "odd"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0s"), (0, "0s"), (12.9, "12s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (86_400 * 3, "3d")],
)
def test_a_length_of_time_is_told_in_its_largest_unit(seconds, shown):
    assert duration(seconds) == shown


def test_an_age_is_told_from_the_instant_given():
    assert age(datetime.fromtimestamp(1000, UTC), 1180.0) == "3m"


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KB"), (40 * 1024**2, "40 MB"), (2**60, "1048576 TB")],
)
def test_a_size_is_told_in_its_largest_unit(size_bytes, shown):
    assert size(size_bytes) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("naïve 漢字 👩‍💻", "naïve 漢字 👩‍💻"),
        ("a\x1b[31mb", "a␛[31mb"),
        ("two\nlines\r", "two␊lines␍"),
        ("\x7f\x9b31m", "␡\ufffd31m"),
        ("abc\u202edef\u2066", "abc\ufffddef\ufffd"),
        ("zero\u200bwidth\ufeff", "zero\ufffdwidth\ufffd"),
        ("line\u2028end", "line\ufffdend"),
        ("half\ud800", "half\ufffd"),
        ("wide\u00a0space", "wide space"),
    ],
)
def test_what_steers_a_terminal_becomes_visible(text, shown):
    assert sanitize(text) == shown
    assert sanitize(shown) == shown


def test_cleaned_json_is_the_same_value_and_safe():
    value = {"task": "a\x9b31m\u202e \U000e0041 é"}
    text = clean_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert "é" in text
    assert sanitize(text) == text
