"""Programs that sinks start: never through a shell, with a time limit, and killed with everything that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from hallway.core.errors import NotificationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def require_success(arguments: Sequence[str], limit_s: float, **options: Any) -> None:
    """Run a program as `run_program` does; raises NotificationFailed, too, if its exit status is not 0."""
    if status := run_program(arguments, limit_s, **options):
        raise NotificationFailed(f"{os.path.basename(arguments[0])} ended with status {status}")


def run_program(
    arguments: Sequence[str],
    limit_s: float,
    *,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    shows_output: bool = False,
) -> int:
    """Run a program until it ends, and return its exit status; raises NotificationFailed if it does not start or end.

    Its output is dropped unless the caller `shows_output`: a service's program may write its own secrets.
    """
    output = None if shows_output else subprocess.DEVNULL
    name = os.path.basename(arguments[0])
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=None if environ is None else {**os.environ, **environ},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NotificationFailed(f"{name} cannot be started: {error}", is_final=True) from None
    with process:
        try:
            process.communicate(stdin, timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # it was not waited for yet, so the number is still its own
            raise NotificationFailed(f"{name} did not end within {limit_s:g} s", is_final=True) from None
    return process.returncode
