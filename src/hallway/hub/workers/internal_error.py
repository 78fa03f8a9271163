"""Turns whatever an operation raises in a hub's worker into an error of hallway."""

from __future__ import annotations

import logging

from hallway.core.errors import HallwayError, InvalidInput

log = logging.getLogger("hallway.hub")

# Exceptions caused by input that passed its checks: nested too deeply, too large a number, half a character.
BEYOND_BOUNDS = (RecursionError, OverflowError, UnicodeEncodeError)


class InternalError(HallwayError):
    """An operation failed with an unexpected exception; the hub's log has the traceback."""

    code, status = "internal_error", 500
    hint = "The hub's log says what broke; report it with the request"


def as_hallway_error(error: Exception, what: str) -> HallwayError:
    """Return an exception as a hallway error; an unexpected one is logged and becomes an internal error."""
    if isinstance(error, HallwayError):
        return error
    if isinstance(error, BEYOND_BOUNDS):
        return InvalidInput(f"{what} got a value that no bus can hold: {type(error).__name__}")
    log.error("%s failed", what, exc_info=error)
    return InternalError(f"{what} failed")
