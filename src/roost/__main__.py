"""`roost` and `python -m roost`: plain commands run at once, everything else goes to the full command line.

A hook may run `roost heartbeat` on every tool call, so a command that is typed plainly is answered without argparse
and leaves without the interpreter's tidying up: its bus is closed and its answer is out by then.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line; returns its exit status."""
    from roost.cli.call import guarded, parse_plainly, perform

    plain = parse_plainly(sys.argv[1:])
    if plain is None:
        from roost.cli.main import run

        return run(sys.argv[1:])
    operation, typed, is_json = plain
    os._exit(guarded(lambda: perform(operation, typed, is_json=is_json), is_json=is_json))


if __name__ == "__main__":
    sys.exit(main())
