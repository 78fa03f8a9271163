"""The tests with real programs run without a network."""

from __future__ import annotations

import os
import socket

import pytest


@pytest.mark.skipif(not os.environ.get("HALLWAY_TEST_ALONE"), reason="this machine allows no network namespace")
def test_there_is_no_network_but_loopback() -> None:
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
