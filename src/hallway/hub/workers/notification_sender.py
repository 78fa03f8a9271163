"""Sends the notifications of the hub's own user, with the dispatcher and the rules file of `hallway notify`.

It has threads and connections of its own, so that no request waits for it. Several hubs on one bus, and `hallway
notify` beside them, send each item once: the bus decides who sends (decision 0022).
"""

from __future__ import annotations

import logging
import os
from threading import Event, Thread
from typing import TYPE_CHECKING

from hallway.core.errors import HallwayError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hallway.bus.base import Bus
    from hallway.notifications.dispatcher import Dispatcher
    from hallway.notifications.notification import Notification
    from hallway.notifications.sinks import Sink

LOOK_EVERY_S = 5.0  # how often to look for a missing rules file, and to try again after an error
STOP_WITHIN_S = 3.0  # more than the dispatcher itself takes to stop

log = logging.getLogger("hallway.notifications")


class NotificationSender(Thread):
    """A thread that runs the dispatcher for as long as the hub runs, once there is a rules file."""

    def __init__(self, open_bus: Callable[[], Bus], path: str) -> None:
        super().__init__(name="notification-sender", daemon=True)
        self._open_bus = open_bus
        self._path = path
        self._stopped = Event()
        self._dispatcher: Dispatcher | None = None

    def run(self) -> None:
        while not self._stopped.is_set():
            if os.path.exists(self._path):
                self._dispatch()
            self._stopped.wait(LOOK_EVERY_S)

    def _dispatch(self) -> None:
        from hallway.notifications.dispatcher import Dispatcher

        self._dispatcher = Dispatcher(self._open_bus, _log_report, path=self._path)
        if self._stopped.is_set():  # `stop` was called before the dispatcher was made
            return
        try:
            self._dispatcher.run()
        except HallwayError as error:
            log.warning("no notifications for now: %s", error)

    def stop(self) -> None:
        """Start no further notification; any thread may call this."""
        self._stopped.set()
        if self._dispatcher:
            self._dispatcher.stop()

    def close(self) -> None:
        """Stop, and wait a moment for the notification that is being sent; its lease covers what takes longer."""
        self.stop()
        self.join(STOP_WITHIN_S)


def _log_report(sink: Sink, notification: Notification, error: HallwayError | None) -> None:
    if error is None:
        log.info("%s: sent %s", sink.name, notification.item.item_id)
    else:
        log.warning("%s: %s was not sent: %s", sink.name, notification.item.item_id, error)
