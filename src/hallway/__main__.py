"""`hallway` and `python -m hallway`: plain commands run at once, everything else goes to the full command line.

A hook may run `hallway heartbeat` on every tool call, so a command that is typed plainly is answered without argparse
and leaves without the interpreter's tidying up: its bus is closed and its answer is out by then. `hallway mcp` runs in
every session and starts as directly.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line; returns its exit status."""
    if sys.argv[1:2] == ["mcp"] and (status := _serve_mcp(sys.argv[2:])) is not None:
        return status
    if sys.argv[1:2] == ["hook"] and not {"-h", "--help"} & set(sys.argv):
        from hallway.agents.hook.main import main as hook

        hook(sys.argv[2:])
    from hallway.cli.run import guarded, parse_fast, perform

    plain = parse_fast(sys.argv[1:])
    if plain is None:
        from hallway.cli.main import run

        return run(sys.argv[1:])
    operation, typed, is_json = plain
    os._exit(guarded(lambda: perform(operation, typed, is_json=is_json), is_json=is_json))


def _serve_mcp(words: list[str]) -> int | None:
    """Serve over standard input and output; None for words that the full command line has to explain."""
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
