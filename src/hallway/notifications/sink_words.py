"""The words that an option of a sink may have; the parser of the command line imports nothing else of this folder."""

from __future__ import annotations

SINK_TYPES = ("desktop", "terminal", "webhook", "apprise", "command")
SEQUENCES = ("bell", "osc9", "osc777")
