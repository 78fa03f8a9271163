"""The timeline of the last hours: a bar of statuses for each session, and the messages between sessions.

Positions are numbers from 0 to 1000 across and pixels down; the templates draw them as SVG, without style or script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.core.model import is_session

if TYPE_CHECKING:
    from hallway.core.model import Session
    from hallway.web.activity import ActivityLog, MessageMark

WIDE = 1000
ROW = 20  # pixels
HOUR_S = 3600
MAX_MARKS = 200


class Timeline:
    """The timeline of some sessions between two times."""

    def __init__(self, activity: ActivityLog, sessions: list[Session], begin_s: float, end_s: float) -> None:
        self._activity = activity
        self._sessions = sessions
        self._begin_s = begin_s
        self._end_s = end_s

    def to_dict(self) -> dict[str, Any]:
        """Return the positions of all bars, messages and labels."""
        long_s = self._end_s - self._begin_s
        hours = range(int(long_s // HOUR_S), -1, -1)
        return {
            "begin_s": self._begin_s,
            "end_s": self._end_s,
            "wide": WIDE,
            "row": ROW,
            "rows": [self._row(each) for each in self._sessions],
            "marks": self._marks(),
            "hours": [{"x": round(WIDE - WIDE * hour * HOUR_S / long_s), "ago": hour} for hour in hours],
        }

    def _row(self, session: Session) -> dict[str, Any]:
        spans = self._activity.life(session, self._begin_s, self._end_s)
        return {
            "session_id": session.session_id,
            "name": session.name,
            "bars": [
                {
                    "x": self._x(span.begin_s),
                    "width": max(round(self._x(span.end_s) - self._x(span.begin_s), 1), 1.0),
                    "status": span.status,
                    "seconds": round(span.end_s - span.begin_s),
                }
                for span in spans
                if span.status != "offline"
            ],
        }

    def _marks(self) -> list[dict[str, Any]]:
        """Return the newest messages to or from the sessions that are drawn."""
        rows = {session.session_id: number for number, session in enumerate(self._sessions)}
        drawn: list[dict[str, Any]] = []
        for mark in reversed(self._activity.marks):
            if mark.at_s < self._begin_s or len(drawn) >= MAX_MARKS:
                break
            ends = sorted({rows[name] for name in self._ends(mark) if name in rows})
            if ends:
                drawn.append(
                    {
                        "x": self._x(mark.at_s),
                        "top": ends[0],
                        "bottom": ends[-1],
                        "type": mark.type,
                        "message_id": mark.message_id,
                        "subject": mark.subject,
                        "from_session": mark.from_session,
                        "to_session": mark.to_session,
                        "at_s": mark.at_s,
                    }
                )
        return drawn

    def _ends(self, mark: MessageMark) -> tuple[str, ...]:
        return (mark.from_session, mark.to_session) if is_session(mark.to_session) else (mark.from_session,)

    def _x(self, at_s: float) -> float:
        return round(WIDE * (at_s - self._begin_s) / (self._end_s - self._begin_s), 1)
