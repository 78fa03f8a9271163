"""Every error hallway raises on purpose, in one tree.

    HallwayError
    ├── InvalidInput            what was passed cannot be right
    │   ├── TooLarge            it is right in kind, but too much of it
    │   ├── IdentityMissing     a write by nobody (S7)
    │   └── SecretFound         a text that others would read holds a key or a token
    ├── Refused                 the caller may not do this
    │   └── Unauthorised        nobody knows the caller: no token, or none that is valid
    ├── NotFound
    │   ├── SessionNotFound
    │   ├── EntryNotFound
    │   ├── MessageNotFound
    │   ├── TaskNotFound
    │   ├── TokenNotFound
    │   └── LoginNotFound
    ├── Conflict                somebody else was first
    │   ├── VersionConflict     a memory entry is at another version than expected
    │   └── Repeated                the same was said a moment ago
    ├── Unavailable             try again: the bus cannot answer now
    │   ├── BusBusy             another process holds the write lock
    │   ├── HubUnreachable      no hub answers at this address
    │   ├── NoAnswer            the other session has not answered in time
    │   ├── TookTooLong         a read asked for more than the bus finds in time
    │   └── RateLimited         two parties talk faster than a loop may
    │       └── LimitReached    a token asks for more than it may
    ├── StorageError            the bus's file cannot be used as it is
    │   ├── DiskFull
    │   ├── NotWritable
    │   ├── NotABus             the file is something else
    │   └── BusIsNewer          a newer hallway wrote it
    ├── FileUnusable            a file that a command reads or writes for the user
    │   ├── ImportInvalid       a line of it cannot be taken
    │   └── ConfigBroken        a client's configuration cannot be edited as it is
    ├── AddressInUse            two hubs on one port
    └── UnsupportedUrl

Each class owns a stable `code`, an HTTP `status`, an `exit_status` for the command line and a `hint`: the next thing
to type. Codes are API, wording is not. A message says what was asked and what is true.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class HallwayError(Exception):
    """The root of the tree; `except HallwayError` catches everything hallway raises on purpose."""

    code = "error"
    is_passing = False  # whether the same may work a moment later
    status = 500
    exit_status = 1
    hint = "Run: hallway doctor"

    def __init__(self, message: str, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if hint is not None:
            self.hint = hint

    def hint_for_face(self, hints: dict[str, str]) -> HallwayError:
        """Return the error with a face's own hint for its code, in place of the general one of its class."""
        if self.hint == type(self).hint and self.code in hints:
            self.hint = hints[self.code]
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the error as faces show it: `{"error": {"code", "message", "hint", …details}}`."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint, **self.details}}


class InvalidInput(HallwayError):
    """A parameter is missing, unknown, of the wrong type or out of its range; nothing was written."""

    code, status, exit_status = "invalid_input", 400, 2
    hint = "See the operation's parameters in the reference: docs/reference/operations.md"


class TooLarge(InvalidInput):
    """A text, a JSON value or a request body is over its limit; nothing was written."""

    code, status, exit_status = "too_large", 413, 2
    hint = "Send less: put the bulk into a file and send its path"


class IdentityMissing(InvalidInput):
    """A write came from nobody: no session id was given and none could be found (S7)."""

    code, status, exit_status = "identity_missing", 400, 2
    hint = "Name the session: pass its id, as its agent knows it, or export HALLWAY_SESSION=ID and say me"


class SecretFound(InvalidInput):
    """A message or a memory entry holds what looks like a key or a token; nothing was written."""

    code, status, exit_status = "secret_found", 400, 2
    hint = "Say where it is kept instead; if it is none, or meant for all to read: allow_secret"


class Refused(HallwayError):
    """The caller, or the address it came by, may not do this."""

    code, status, exit_status = "refused", 403, 3
    hint = "Call the hub by its own address, as `hallway serve` printed it"


class Unauthorised(Refused):
    """The hub wants a token and got none, or one that was never made, was revoked or has expired."""

    code, status = "unauthorised", 401
    hint = "Log in: hallway login URL, or export HALLWAY_TOKEN. An admin makes tokens: hallway token create NAME"


class NotFound(HallwayError):
    """Nothing of this name is on the bus."""

    code, status, exit_status = "not_found", 404, 4
    hint = "See what there is: GET /openapi.json, or hallway --help"


class SessionNotFound(NotFound):
    """No session has this id, or it was pruned."""

    code = "session_not_found"
    hint = "See who is here: hallway list --all. Or register it: hallway register ID NAME TYPE"


class MessageNotFound(NotFound):
    """No message has this id, or it was pruned."""

    code = "message_not_found"
    hint = "See what there is: hallway messages ID"


class TaskNotFound(NotFound):
    """No task has this id, or it was pruned."""

    code = "task_not_found"
    hint = "See what there is: hallway task list --all"


class TokenNotFound(NotFound):
    """No valid token has this name: it was never made, or it was revoked."""

    code = "token_not_found"
    hint = "See which there are: hallway token list"


class LoginNotFound(NotFound):
    """No browser is logged in under this id: it never was, logged out, or its token is gone."""

    code = "login_not_found"
    hint = "See which there are: hallway token logins"


class EntryNotFound(NotFound):
    """Nothing is remembered under this key: it was never set, was deleted, or has expired."""

    code = "entry_not_found"
    hint = "Look for it: hallway memory search WORDS, or --pattern 'KEY*'"


class AlreadyTaken(HallwayError):
    """Somebody else was first; the details say who and what is true now."""

    code, status, exit_status = "conflict", 409, 5
    hint = "Read what is there now, then decide again"


class DuplicateMessage(AlreadyTaken):
    """The same sender said the same to the same recipient less than a minute ago; nothing was sent (M8)."""

    code = "repeated"
    hint = "It is in the inbox already: wait for the answer, or say something new"


class VersionConflict(AlreadyTaken):
    """A compare-and-set came second; `details["current"]` is the entry as JSON, null where there is none now."""

    code = "version_conflict"
    hint = "Read the entry, join both, and set it again with its version: hallway memory get KEY"


class Unavailable(HallwayError):
    """The bus cannot answer at the moment; the same call may go through later."""

    code, status, exit_status = "unavailable", 503, 6
    is_passing = True
    hint = "Try again in a moment; if it stays: hallway doctor"


class BusBusy(Unavailable):
    """Another process held the bus's write lock for longer than the time limit; nothing was written."""

    code = "bus_busy"
    hint = "Try again; if it stays, a process is stuck in a write: hallway doctor"


class HubUnreachable(Unavailable):
    """No hub answers at the address in use."""

    code = "hub_unreachable"
    hint = "Start one there: hallway serve. Or unset HALLWAY_URL to use the local file"


class NoAnswer(Unavailable):
    """No response to a request came within the time limit; the request is sent, and the response may still come."""

    code, status = "no_answer", 504
    hint = "Do something else and look at the inbox later: hallway inbox ID"


class TookTooLong(Unavailable):
    """A read was given up: what it asks for takes longer than a read may, so that others get their turn."""

    code = "took_too_long"
    hint = "Ask for less: fewer words, a project, a smaller limit"


class RateLimited(Unavailable):
    """One sender has sent one recipient too much at once; nothing was sent (M8). `retry_after_s` says when it may."""

    code, status = "rate_limited", 429
    is_passing = False
    hint = "Say it in fewer messages. Two programs that answer each other without end look like this"


class LimitReached(RateLimited):
    """A token has used up what the hub lets one have; nothing was done. `retry_after_s` says when there is more."""

    code = "limit_reached"
    hint = "Wait so long, then go on more slowly; whoever runs the hub can raise it: hallway serve --help"


class StorageError(HallwayError):
    """The bus's file cannot be used as it is; nothing was written."""

    code, status, exit_status = "storage_error", 500, 7


class DiskFull(StorageError):
    """The disk has no room for the write; what was there before is untouched."""

    code, status = "disk_full", 507
    hint = "Make room on the disk, or move the bus: HALLWAY_HOME=/other/folder"


class NotWritable(StorageError):
    """The bus's file or folder may not be written by this user."""

    code = "not_writable"
    hint = "Make the folder yours, or use another: HALLWAY_HOME=/other/folder"


class NotABus(StorageError):
    """The file is not a hallway bus, or it is damaged; it was left as it is."""

    code = "not_a_bus"
    hint = "Move the file away, or use another: HALLWAY_HOME=/other/folder"


class BusIsNewer(StorageError):
    """A newer hallway has written this bus; this one does not know its tables and leaves them alone."""

    code = "bus_is_newer"
    hint = "Upgrade: pip install --upgrade hallway"


class FileUnusable(HallwayError):
    """A file that was to be read or written for the user cannot be; it is left as it is."""

    code, status, exit_status = "file_unusable", 400, 7
    hint = "Name another file, or make this one readable and writable"


class ImportInvalid(FileUnusable):
    """A line of an import is malformed; nothing of its file was taken. `line` and `reason` say where and why."""

    code = "import_invalid"
    hint = "Mend or delete the line, then import the file again: what is there already is left alone"


class ConfigBroken(FileUnusable):
    """A client's configuration file is malformed, or changed meanwhile; no file was changed."""

    code = "config_broken"
    hint = "Mend the file, then say it again; or name the other clients: hallway install AGENT…"


class AddressInUse(HallwayError):
    """Another program listens on the hub's address already."""

    code, status, exit_status = "address_in_use", 500, 8
    hint = "A hub may run there already (hallway doctor); else choose another: hallway serve --port PORT"


class UnsupportedUrl(InvalidInput):
    """The address names a kind of bus that this hallway cannot open."""

    code = "unsupported_url"
    hint = "Use a folder, sqlite:///PATH, or a hub's http://HOST:PORT"


def _tree(cls: type[HallwayError]) -> dict[str, type[HallwayError]]:
    return {cls.code: cls} | {code: found for sub in cls.__subclasses__() for code, found in _tree(sub).items()}


def from_dict(body: dict[str, Any]) -> HallwayError:
    """Rebuild the error that a hub sent, as its own class; an unknown code becomes a plain `HallwayError`."""
    error = dict(body["error"])
    code, message, hint = error.pop("code", "error"), error.pop("message", ""), error.pop("hint", None)
    return _tree(HallwayError).get(code, HallwayError)(message, hint=hint, **error)
