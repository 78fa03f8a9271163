"""The person's rules: of what to be told, when, and in which ways; one TOML file in the user's configuration folder.

A section `[sinks.NAME]` says what a sink is; a `[[rules]]` says which items go to which sinks. An item goes to every
sink of every rule that it fits. The file holds secrets and may start programs: it is used only if nobody else can read
or change it.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from datetime import datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hallway.core.errors import FileUnusable, HallwayError
from hallway.core.model import ATTENTION_KINDS
from hallway.core.near_names import did_you_mean, near_matches
from hallway.core.parameters import DAY_S
from hallway.core.schema import Duration
from hallway.notifications.sink_words import SEQUENCES, SINK_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from hallway.core.model import AttentionItem

DELAY = Duration(most=DAY_S)
QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
NTFY = (
    "ntfy://",
    "ntfys://",
)  # the one of Apprise's services whose notifications have buttons that hallway can answer by
NEEDED = {"webhook": "url", "apprise": "url", "command": "command"}  # by type of sink: the option it cannot do without


class SinkOptions:
    """The options of a sink, as its section has them; `name` is the section's."""

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002 (the word in the file)
        url: str = "",
        secret: str = "",
        command: str = "",
        sequence: str = "osc9",
        send_text: bool = False,
        allow_private: bool = False,
        answers: bool = False,
    ) -> None:
        self.name = name
        self.type = type
        self.url = url
        self.secret = secret
        self.command = command
        self.sequence = sequence
        self.send_text = send_text
        self.allow_private = allow_private
        self.answers = answers


class NotificationRule:
    """Which items go to which sinks, and when.

    `who` holds globs of sessions' names, `type:CLIENT` and `user:PERSON`; `projects` globs of projects. An empty list
    fits everything. `quiet` holds the times of day between which nothing is sent, unless the item is
    urgent and `urgent_anyway` is set.
    """

    def __init__(
        self,
        sinks: list[str],
        *,
        kinds: list[str] | None = None,
        who: list[str] | None = None,
        projects: list[str] | None = None,
        quiet: list[str] | None = None,
        delay_s: int = 0,
        unless_seen: bool = False,
        urgent_only: bool = False,
        urgent_anyway: bool = False,
    ) -> None:
        self.sinks = sinks
        self.kinds = kinds or []
        self.who = who or []
        self.projects = projects or []
        self.quiet = quiet or []
        self.delay_s = delay_s
        self.unless_seen = unless_seen
        self.urgent_only = urgent_only
        self.urgent_anyway = urgent_anyway
        self._quiet_times = [quiet_time(each) for each in self.quiet]

    def describe(self) -> str:
        """Return the rule as a line."""
        lists = {"of": self.who, "in": self.projects, "not in": self.quiet}
        parts = [
            ", ".join(self.kinds) or "everything",
            *(f"{word} {', '.join(each)}" for word, each in lists.items() if each),
        ]
        parts += [f"after {self.delay_s} s"] if self.delay_s else []
        words = {"urgent only": self.urgent_only, "urgent anyway": self.urgent_anyway, "unless seen": self.unless_seen}
        parts += [word for word, is_set in words.items() if is_set]
        return f"{', '.join(self.sinks)}: {'; '.join(parts)}"

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def fits(self, item: AttentionItem) -> bool:
        """Return whether an item is one of this rule, at whatever time."""
        who = [item.name, f"type:{item.client or ''}", f"user:{item.person or ''}"]
        return (
            (not self.kinds or item.kind in self.kinds)
            and (not self.urgent_only or item.is_urgent)
            and (not self.projects or _fits_any([item.project], self.projects))
            and (not self.who or _fits_any(who, self.who))
        )

    def quiet_s(self, now: datetime, *, is_urgent: bool = False) -> float:
        """Return for how many seconds nothing is sent; 0: it is no quiet hour, or the item is exempt from it."""
        if is_urgent and self.urgent_anyway:
            return 0.0
        return max((_left_s(begin, end, now) for begin, end in self._quiet_times), default=0.0)


def quiet_time(text: str) -> tuple[time, time]:
    """Return the two times of day of `22:00-07:00`; raises ValueError for another text."""
    found = QUIET.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not two times of day")
    begin_hour, begin_minute, end_hour, end_minute = map(int, found.groups())
    return time(begin_hour, begin_minute), time(end_hour, end_minute)


def _left_s(begin: time, end: time, now: datetime) -> float:
    """Return how long it is from now to the end of a quiet time that has begun; 0 if none has."""
    at = now.time()
    is_quiet = begin <= at < end if begin < end else at >= begin or at < end
    if not is_quiet:
        return 0.0
    until = datetime.combine(now.date(), end, now.tzinfo)
    return ((until if until > now else until + timedelta(days=1)) - now).total_seconds()


def _fits_any(values: Iterable[str], globs: list[str]) -> bool:
    return any(fnmatchcase(value.lower(), each.lower()) for value in values for each in globs)


class Rules:
    """What the file says: its rules, its sinks by name, whose items they are about, and the zone of its quiet hours.

    `hub_url` is the address at which the person's phone reaches the hub, for answers from afar.
    """

    def __init__(
        self,
        rules: list[NotificationRule],
        sinks: dict[str, SinkOptions],
        person: str | None = None,
        zone: ZoneInfo | None = None,
        hub_url: str | None = None,
    ) -> None:
        self.rules = rules
        self.sinks = sinks
        self.person = person
        self.zone = zone
        self.hub_url = hub_url


def read_rules(path: str) -> Rules:
    """Read the rules file; raises FileUnusable for a file that is missing, malformed, or open to others."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            document = tomllib.load(file)
    except FileNotFoundError:
        raise FileUnusable(
            f"there are no rules yet: {path} does not exist", hint="hallway notify add desktop"
        ) from None
    except (OSError, ValueError) as error:
        raise FileUnusable(f"{path} cannot be read: {error}", hint="Correct the file, or move it away") from None
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise FileUnusable(
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}: others may get at its secrets",
            hint=f"chmod 600 {path}",
        )
    return check_rules(path, document)


def check_rules(path: str, document: dict[str, Any]) -> Rules:
    """Return the rules of a document; raises FileUnusable, which names the file, for what means nothing in it."""
    return _FileReader(path).rules(document)


class _FileReader:
    """Makes rules of a document, and names the file and the place in it in every error."""

    def __init__(self, path: str) -> None:
        self._path = path

    def rules(self, document: dict[str, Any]) -> Rules:
        self._known("the file", document, ("rules", "sinks", "person", "timezone", "hub_url"))
        sections = self._of_type("sinks", document.get("sinks", {}), dict)
        sinks = {name: self._sink(name, section) for name, section in sections.items()}
        rules = self._of_type("rules", document.get("rules", []), list)
        person = self._of_type("person", document.get("person", ""), str)
        zone = self._of_type("timezone", document.get("timezone", ""), str)
        hub_url = self._of_type("hub_url", document.get("hub_url", ""), str)
        if hub_url:
            self._check_url("hub_url", hub_url)
        for sink in sinks.values():
            self._check_answers(f"sinks.{sink.name}", sink, hub_url)
        return Rules(
            [self._rule(f"rule {place}", each, sinks) for place, each in enumerate(rules, 1)],
            sinks,
            person or None,
            self._zone(zone) if zone else None,
            hub_url.rstrip("/") or None,
        )

    def _zone(self, name: str) -> ZoneInfo:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise self._error(
                f"timezone is {name!r}, which this machine does not know", "Such as Europe/Paris"
            ) from None

    def _sink(self, name: str, section: Any) -> SinkOptions:
        where = f"sinks.{name}"
        section = self._of_type(where, section, dict)
        if not NAME.fullmatch(name):
            raise self._error(f"{where}: a name has letters, digits, hyphens and underscores only")
        defaults = vars(SinkOptions(name, ""))
        options = {each for each in defaults if each != "name"}
        self._known(where, section, tuple(sorted(options)))
        for option, value in section.items():
            self._of_type(f"{where}: {option}", value, type(defaults[option]))
        kind = self._one_of(f"{where}: type", section.get("type", ""), SINK_TYPES)
        self._one_of(f"{where}: sequence", section.get("sequence", "osc9"), SEQUENCES)
        if (needed := NEEDED.get(kind)) and not section.get(needed):
            raise self._error(f"{where} is a {kind}, and has no {needed}")
        if kind == "webhook":
            self._check_url(where, section["url"])
        return SinkOptions(name, **section)

    def _check_answers(self, where: str, sink: SinkOptions, hub_url: str) -> None:
        if not sink.answers or sink.type == "webhook":
            return
        if sink.type != "apprise" or not sink.url.startswith(NTFY):
            raise self._error(f"{where}: only a webhook and ntfy can bring answers back", "Leave out answers")
        if not hub_url:
            raise self._error(
                f"{where}: answers need the address at which your phone reaches the hub",
                'At the top of the file: hub_url = "https://hallway.example.com"',
            )

    def _check_url(self, where: str, url: str) -> None:
        try:
            parts = urlsplit(url)
            is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_usable = False
        if not is_usable or not url.isascii() or not url.isprintable() or " " in url:
            raise self._error(f"{where}: the url begins with https:// or http://, and has a host")
        if "@" in parts.netloc:
            raise self._error(f"{where}: the url holds no login", "Use secret = to sign what a webhook is sent")

    def _rule(self, where: str, section: Any, sinks: dict[str, SinkOptions]) -> NotificationRule:
        section = self._of_type(where, section, dict)
        words = ("sinks", "kinds", "who", "projects", "quiet", "delay", "unless_seen", "urgent_only", "urgent_anyway")
        self._known(where, section, words)
        lists: dict[str, Any] = {name: self._texts(f"{where}: {name}", section.get(name, [])) for name in words[:5]}
        for each in lists["sinks"]:
            self._one_of(f"{where}: sinks", each, tuple(sinks))
        for each in lists["kinds"]:
            self._one_of(f"{where}: kinds", each, ATTENTION_KINDS)
        if not lists["sinks"]:
            raise self._error(f"{where} has no sinks", 'Such as sinks = ["desktop"]')
        flags = {name: self._of_type(f"{where}: {name}", section.get(name, False), bool) for name in words[6:]}
        for each in lists["quiet"]:
            if not QUIET.fullmatch(each):
                raise self._error(
                    f"{where}: quiet is {each!r}, not two times of day", 'Such as quiet = ["22:00-07:00"]'
                )
        return NotificationRule(**lists, **flags, delay_s=self._delay(f"{where}: delay", section.get("delay", 0)))

    def _delay(self, where: str, value: Any) -> int:
        try:
            return DELAY.check(where, DELAY.parse(where, str(value)))
        except HallwayError as error:
            raise self._error(error.message, 'Such as delay = "30s"') from None

    def _texts(self, where: str, value: Any) -> list[str]:
        values = [value] if isinstance(value, str) else self._of_type(where, value, list)
        return [self._of_type(where, each, str) for each in values]

    def _of_type(self, where: str, value: Any, kind: type) -> Any:
        if not isinstance(value, kind):
            names = {dict: "a section", list: "a list", str: "a text", bool: "true or false"}
            raise self._error(f"{where} must be {names[kind]}")
        return value

    def _one_of(self, where: str, value: str, known: tuple[str, ...]) -> str:
        if value not in known:
            words = ", ".join(known) or "nothing yet"
            raise self._error(
                f"{where} is {value!r}, but may be: {words}", did_you_mean(near_matches(value, list(known)))
            )
        return value

    def _known(self, where: str, section: dict[str, Any], known: tuple[str, ...]) -> None:
        for name in section:
            if name not in known:
                near = did_you_mean(near_matches(name, list(known)))
                raise self._error(
                    f"{where} has {name!r}, which means nothing here", near or f"It may have: {', '.join(known)}"
                )

    def _error(self, message: str, hint: str | None = None) -> FileUnusable:
        return FileUnusable(f"{self._path}: {message}", hint=hint or "Correct the file")
