"""Every error survives the wire and is in the reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from hallway.core import errors
from hallway.core.errors import HallwayError, from_dict
from hallway.core.schema import decode, encode

REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"


def tree(cls: type[HallwayError] = HallwayError) -> list[type[HallwayError]]:
    return [
        cls,
        *(each for below in cls.__subclasses__() for each in tree(below) if each.__module__ == errors.__name__),
    ]


@pytest.mark.parametrize("cls", tree(), ids=lambda cls: cls.__name__)
def test_an_error_is_the_same_after_the_wire(cls: type[HallwayError]) -> None:
    sent = cls("it went wrong", hint="type this", owner="alice", count=2)
    found = from_dict(decode(encode(sent.to_dict())))
    assert type(found) is cls
    assert (str(found), found.hint, found.details) == ("it went wrong", "type this", {"owner": "alice", "count": 2})


def test_each_error_has_a_code_of_its_own_that_the_reference_lists() -> None:
    codes = [cls.code for cls in tree()]
    assert len(set(codes)) == len(codes)
    listed = REFERENCE.read_text(encoding="utf-8")
    assert [code for code in codes if f"`{code}`" not in listed] == []
