"""Entry point of `hallway` and `python -m hallway`: a fast path for plain commands, else the full command line.

A hook may run `hallway heartbeat` on every tool call. A command with plain arguments therefore runs without argparse,
and the process ends without the interpreter's shutdown: the bus is closed and the output is flushed by then. `hallway
mcp` runs in every session and also starts without argparse.
"""

from __future__ import annotations

import gc
import os
import sys

GARBAGE_AFTER = 50_000  # new objects before Python looks for garbage: imports make many objects and leave no garbage


def main() -> int:
    """Run the command line; return its exit status."""
    gc.set_threshold(GARBAGE_AFTER)
    if sys.argv[1:2] == ["mcp"] and (status := _serve_mcp(sys.argv[2:])) is not None:
        return status
    if sys.argv[1:2] == ["hook"] and not {"-h", "--help"} & set(sys.argv):
        from hallway.agents.hook.main import main as hook

        hook(sys.argv[2:])
    from hallway.cli.run import guarded, parse_fast, perform

    if not sys.argv[1:]:
        from hallway.cli.overview import show

        os._exit(guarded(show, is_json=False))
    plain = parse_fast(sys.argv[1:])
    if plain is None:
        from hallway.cli.main import run

        return run(sys.argv[1:])
    operation, typed, is_json = plain
    os._exit(guarded(lambda: perform(operation, typed, is_json=is_json), is_json=is_json))


def _serve_mcp(words: list[str]) -> int | None:
    """Serve MCP over standard input and output; return the exit status.

    Return None for arguments that the full command line must handle (help, errors).
    """
    from hallway.core.errors import HallwayError
    from hallway.mcp.server import PROFILES
    from hallway.mcp.stdio import serve

    options = dict(zip(words[::2], words[1::2], strict=False))
    profile = options.get("--profile", PROFILES[0])
    if len(words) % 2 or not options.keys() <= {"--profile", "--url"} or profile not in PROFILES:
        return None
    try:
        serve(profile, options.get("--url"))
    except HallwayError as error:
        from hallway.cli.render import show_error
        from hallway.cli.terminal import err

        show_error(err(), error, is_json=False)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
