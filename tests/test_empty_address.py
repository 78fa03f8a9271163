"""An empty address of a bus is a mistake, not the current folder."""

import pytest

import hallway
from hallway.core.errors import UnsupportedUrl


def test_an_empty_address_is_refused() -> None:
    with pytest.raises(UnsupportedUrl, match="empty"):
        hallway.connect("")
