"""Records on the bus which files a session has written, and which worktree they are in (C3)."""

from __future__ import annotations

from hallway.local.repository_paths import ignored, place_in_project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.bus.base import Bus


def record_files(bus: Bus, session_id: str, project: str, paths: list[str], *, is_alone: bool) -> None:
    """Record written files by the worktree that they are in; paths are absolute, without symbolic links.

    A file of another project, and one that git ignores, is recorded as one that nobody shares. Whether git ignores it
    is looked up only if another session is live, since only then it matters.
    """
    for place, of_place in _by_place(paths, project):
        if place is None:
            bus.files.touch(session_id, of_place, is_shared=False)
            continue
        left_out = ignored(place["worktree"].partition(":")[2], of_place) if place and not is_alone else set()
        for is_shared in (True, False):
            if some := [path for path in of_place if (path not in left_out) == is_shared]:
                bus.files.touch(session_id, some, **place, is_shared=is_shared)


def _by_place(paths: list[str], project: str) -> list[tuple[dict[str, Any] | None, list[str]]]:
    """Return each place with the files in it."""
    grouped: list[tuple[dict[str, Any] | None, list[str]]] = []
    for path in paths:
        place = place_in_project(path, project)
        group = next((each for known, each in grouped if known == place), None)
        if group is None:
            grouped.append((place, [path]))
        else:
            group.append(path)
    return grouped
