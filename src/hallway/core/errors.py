"""The errors that hallway raises on purpose, as one class tree.

    HallwayError
    ├── InvalidInput            a parameter is missing, unknown or has a wrong value
    │   ├── TooLarge            a value is larger than its limit
    │   ├── IdentityMissing     a write without a session id (S7)
    │   ├── AmbiguousSession    a name or the beginning of an id fits several sessions (S10)
    │   ├── ProjectNeeded       nothing says which project a call is about
    │   └── SecretFound         a text that others would read contains a key or a token
    ├── Refused                 the caller may not do this
    │   └── Unauthorised        the hub needs a token, and the caller has no valid one
    ├── NotFound
    │   ├── SessionNotFound
    │   ├── EntryNotFound
    │   ├── MessageNotFound
    │   ├── TaskNotFound
    │   ├── ProjectNotFound
    │   ├── TokenNotFound
    │   ├── LoginNotFound
    │   ├── AttentionNotFound
    │   └── ClaimNotFound
    ├── AlreadyTaken            somebody else was first
    │   ├── NameTaken           another session of the project has this name (S9)
    │   ├── SessionElsewhere    a session lives in another project than the call says
    │   ├── VersionConflict     a memory entry is at another version than expected
    │   ├── DuplicateMessage    the sender sent the same message less than a minute ago
    │   └── ClaimRefused        another session has claimed what was asked for
    ├── Unavailable             the bus cannot answer now: try again
    │   ├── BusBusy             another process holds the write lock
    │   ├── BusGone             the bus's file or tables were deleted, moved or overwritten while in use
    │   ├── HubUnreachable      no hub answers at this address
    │   ├── NoAnswer            the other session has not answered in time
    │   ├── TookTooLong         a read took longer than its time limit
    │   └── RateLimited         one sender sends one recipient too many messages
    │       └── LimitReached    a token has used up its limit on the hub
    ├── StorageError            the bus's file cannot be used as it is
    │   ├── DiskFull
    │   ├── NotWritable
    │   ├── UnsuitableDisk      the file system cannot hold a bus that several processes share
    │   ├── NotABus             the file is not a hallway bus, or it is damaged
    │   └── BusIsNewer          a newer version of hallway wrote the file
    ├── FileUnusable            a file that a command should read or write cannot be used
    │   ├── ImportInvalid       a line of an imported file is malformed
    │   └── ConfigBroken        a client's configuration file cannot be edited as it is
    ├── NotificationFailed      a person could not be told in one of the ways that the rules name
    ├── ExportEmpty             there is nothing to export
    ├── AddressInUse            another program already listens on the hub's address
    ├── UnsupportedSystem       hallway does not work on this operating system
    └── UnsupportedUrl          the address names a kind of bus that hallway cannot open

Each class has a stable `code`, an HTTP `status`, an `exit_status` for the command line and a `hint`: the next command
to type. Codes are part of the API, texts are not. A message says what was asked and what is true.
"""

from __future__ import annotations

from hallway.core.redaction import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class HallwayError(Exception):
    """The root of the tree; `except HallwayError` catches everything hallway raises on purpose."""

    code = "error"
    is_passing = False  # whether the same call may succeed later
    status = 500
    exit_status = 1
    hint = "Run: hallway doctor"

    def __init__(self, message: str, *, hint: str | None = None, **details: Any) -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.details = details
        if hint is not None:
            self.hint = hint

    def hint_for_face(self, hints: dict[str, str]) -> HallwayError:
        """Replace the hint of the error's class with a face's hint for its code, if there is one; return the error."""
        if self.hint == type(self).hint and self.code in hints:
            self.hint = hints[self.code]
        return self

    def hint_of_class(self, hints: dict[str, str]) -> HallwayError:
        """Undo what `hint_for_face` did with these hints; return the error."""
        if self.hint == hints.get(self.code):
            self.hint = type(self).hint
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON: `{"error": {"code", "message", "hint", …details}}`."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint, **self.details}}


class InvalidInput(HallwayError):
    """A parameter is missing, unknown, of the wrong type or out of its range; nothing was written."""

    code, status, exit_status = "invalid_input", 400, 2
    hint = "See the operation's parameters in the reference: docs/reference/operations.md"


class TooLarge(InvalidInput):
    """A text, a JSON value or a request body is over its limit; nothing was written."""

    code, status, exit_status = "too_large", 413, 2
    hint = "Send less: put the long part into a file and send the file's path"


class IdentityMissing(InvalidInput):
    """A write has no author: no session id was given, and none could be found (S7)."""

    code, status, exit_status = "identity_missing", 400, 2
    hint = "Name the session: pass its id, as its agent knows it, or export HALLWAY_SESSION=ID and say me"


class AmbiguousSession(InvalidInput):
    """Several sessions fit a name or the beginning of an id; nothing was done. `candidates` lists some of them."""

    code, status, exit_status = "session_ambiguous", 400, 2
    hint = "Say which one: its id, or more of it"


class ProjectNeeded(InvalidInput):
    """Nothing says which project the call is about: no project, session, folder or token; nothing was done (P1)."""

    code, status, exit_status = "project_needed", 400, 2
    hint = "Name the project (project), or the session that calls"


class SecretFound(InvalidInput):
    """A message or a memory entry contains what looks like a key or a token; nothing was written."""

    code, status, exit_status = "secret_found", 400, 2
    hint = "Write where the secret is kept instead. If it is no secret, or everyone may read it: allow_secret"


class Refused(HallwayError):
    """The caller may not do this, or the hub was called by an address that it does not accept."""

    code, status, exit_status = "refused", 403, 3
    hint = "Call the hub by its own address, as `hallway serve` printed it"


class Unauthorised(Refused):
    """The hub needs a token and got none, or the token is unknown, revoked or expired."""

    code, status = "unauthorised", 401
    hint = "Log in: hallway login URL, or export HALLWAY_TOKEN. An admin makes tokens: hallway token create NAME"


class NotFound(HallwayError):
    """Nothing on the bus has this name."""

    code, status, exit_status = "not_found", 404, 4
    hint = "See what exists: GET /openapi.json, or hallway --help"


class SessionNotFound(NotFound):
    """No session has this name or id, or it was pruned."""

    code = "session_not_found"
    hint = "See all sessions: hallway list --all. Or register this one: hallway register ID NAME TYPE"


class MessageNotFound(NotFound):
    """No message has this id, or it was pruned."""

    code = "message_not_found"
    hint = "See a session's messages: hallway messages ID"


class TaskNotFound(NotFound):
    """No task has this id, or it was pruned."""

    code = "task_not_found"
    hint = "See all tasks: hallway task list --all"


class ProjectNotFound(NotFound):
    """Nothing is stored under this project, or there is no move between these projects to take back."""

    code = "project_not_found"
    hint = "See the projects of the sessions: hallway list --all"


class TokenNotFound(NotFound):
    """No valid token has this name: it was never created, or it was revoked."""

    code = "token_not_found"
    hint = "See the valid tokens: hallway token list"


class LoginNotFound(NotFound):
    """No browser is logged in under this id: it never was, it logged out, or its token is no longer valid."""

    code = "login_not_found"
    hint = "See the logged-in browsers: hallway token logins"


class AttentionNotFound(NotFound):
    """Nothing that needs attention has this id: it is resolved, or never was."""

    code = "attention_not_found"
    hint = "See what needs attention, which says the ids"


class ClaimNotFound(NotFound):
    """No claim has this id: it never was, it was released, or its time is over."""

    code = "claim_not_found"
    hint = "See the claims: hallway claims"


class EntryNotFound(NotFound):
    """No memory entry has this key: it was never set, was deleted, or has expired."""

    code = "entry_not_found"
    hint = "Search for it: hallway memory search WORDS, or --pattern 'KEY*'"


class AlreadyTaken(HallwayError):
    """Somebody else was first; the details say who, and what the state is now."""

    code, status, exit_status = "conflict", 409, 5
    hint = "Read the state as it is now, then decide again"


class NameTaken(AlreadyTaken):
    """Another live session of the project has this name; nothing was changed (S9). `free` is a name that nobody has."""

    code = "name_taken"
    hint = "Choose another name"


class SessionElsewhere(AlreadyTaken):
    """The session is live in another project than the call says; nothing was written. `project` is where it lives."""

    code = "session_elsewhere"
    hint = "Name the project it lives in, or move it (move). Another session needs another id"


class DuplicateMessage(AlreadyTaken):
    """The sender sent the same message to the same recipient less than a minute ago; nothing was sent (M8)."""

    code = "repeated"
    hint = "The first message is in the inbox already: wait for the answer, or send a different message"


class ClaimRefused(AlreadyTaken):
    """Another session has claimed, or asked earlier for, what was asked for; `holders` are all such claims as JSON."""

    code = "claim_refused"
    hint = "Send a holder a request to release it, wait for its end, or work elsewhere"


class VersionConflict(AlreadyTaken):
    """A memory entry was changed meanwhile; `details["current"]` is the entry as JSON, null if there is none now."""

    code = "version_conflict"
    hint = "Read the entry, merge your change, and set it again with its version: hallway memory get KEY"


class Unavailable(HallwayError):
    """The bus cannot answer now; the same call may succeed later."""

    code, status, exit_status = "unavailable", 503, 6
    is_passing = True
    hint = "Try again in a few seconds; if the error stays: hallway doctor"


class BusBusy(Unavailable):
    """Another process held the bus's write lock for longer than the time limit; nothing was written."""

    code = "bus_busy"
    hint = "Try again. If the error stays, a process is stuck in a write: hallway doctor"


class BusGone(Unavailable):
    """The bus was deleted, moved, overwritten or truncated while it was in use; nothing more is written to it."""

    code = "bus_gone"
    hint = "Put it back, or a backup of it: writing goes on without a restart. See: hallway doctor"


class HubUnreachable(Unavailable):
    """No hub answers at the address in use."""

    code = "hub_unreachable"
    hint = "Start a hub there: hallway serve. Or use the local file: unset HALLWAY_URL, or hallway use local"


class NoAnswer(Unavailable):
    """No response to a request came within the time limit. The request was sent, and the response may still come."""

    code, status = "no_answer", 504
    hint = "Continue with other work and read the inbox later: hallway inbox ID"


class TookTooLong(Unavailable):
    """A read was stopped at its time limit, so that other callers are not delayed."""

    code = "took_too_long"
    hint = "Ask for less: fewer words, a project, a smaller limit"


class RateLimited(Unavailable):
    """A sender sent one recipient too many messages; nothing was sent (M8). Try again after `retry_after_s` seconds."""

    code, status = "rate_limited", 429
    is_passing = False
    hint = "Send fewer messages. Two programs that answer each other without end cause this error"


class LimitReached(RateLimited):
    """A token has used up its limit on the hub; nothing was done. Try again after `retry_after_s` seconds."""

    code = "limit_reached"
    hint = "Wait, then send more slowly. The hub's operator can raise the limit: hallway serve --help"


class StorageError(HallwayError):
    """The bus's file cannot be used as it is; nothing was written."""

    code, status, exit_status = "storage_error", 500, 7


class DiskFull(StorageError):
    """The disk has no room for the write; existing data is unchanged."""

    code, status = "disk_full", 507
    hint = "Free space on the disk, or move the bus: HALLWAY_HOME=/other/folder"


class NotWritable(StorageError):
    """This user may not write the bus's file or folder."""

    code = "not_writable"
    hint = "Get write permission for the folder, or use another one: HALLWAY_HOME=/other/folder"


class UnsuitableDisk(StorageError):
    """The file system has no shared memory or no file locks, which a bus of several processes needs."""

    code = "unsuitable_disk"
    hint = "Use a folder on a disk of this machine, HALLWAY_HOME=/other/folder, or a PostgreSQL database, HALLWAY_URL"


class NotABus(StorageError):
    """The file is not a hallway bus, or it is damaged; the file was not changed."""

    code = "not_a_bus"
    hint = "Move the file away, or use another folder: HALLWAY_HOME=/other/folder"


class BusIsNewer(StorageError):
    """A newer version of hallway wrote this bus; this version does not know its tables and does not change them."""

    code, status = "bus_is_newer", 503
    hint = "Upgrade: pip install --upgrade hallway. Then start again what still runs the older version"


class FileUnusable(HallwayError):
    """A file that a command should read or write cannot be used; the file was not changed."""

    code, status, exit_status = "file_unusable", 400, 7
    hint = "Name another file, or make this one readable and writable"


class ImportInvalid(FileUnusable):
    """A line of an imported file is malformed; nothing of the file was imported. `line` and `reason` give details."""

    code = "import_invalid"
    hint = "Fix or delete the line, then import the file again: existing data is not changed"


class ConfigBroken(FileUnusable):
    """A client's configuration file is malformed, or another program changed it meanwhile; nothing was written."""

    code = "config_broken"
    hint = "Fix the file, then run the command again; or name the other clients: hallway install AGENT…"


class NotificationFailed(HallwayError):
    """A notification could not be sent. `is_final`: another attempt would not help, or could send it a second time."""

    code, status = "notification_failed", 502
    hint = "Try the way in which you are told: hallway notify test NAME"

    @property
    def is_final(self) -> bool:
        return bool(self.details.get("is_final"))


class ExportEmpty(HallwayError):
    """An export would have no record; most likely it is of another bus than was meant."""

    code, status = "export_empty", 404
    hint = "Is the bus elsewhere? Name it: hallway export --url URL. To export nothing: --allow-empty"


class AddressInUse(HallwayError):
    """Another program already listens on the hub's address."""

    code, status, exit_status = "address_in_use", 500, 8
    hint = "A hub may run there already (hallway doctor). If not, choose another port: hallway serve --port PORT"


class UnsupportedSystem(HallwayError):
    """hallway does not work on this operating system; nothing was written."""

    code = "unsupported_system"
    hint = "Run the agents and hallway in the Windows Subsystem for Linux: wsl --install"


class UnsupportedUrl(InvalidInput):
    """The address names a kind of bus that this version of hallway cannot open."""

    code = "unsupported_url"
    hint = "Use a folder, sqlite:///PATH, or a hub's http://HOST:PORT"


def _tree(cls: type[HallwayError]) -> dict[str, type[HallwayError]]:
    """Return the classes by their codes; a class without a code of its own shares that of its base, which counts."""
    own = {cls.code: cls} if "code" in vars(cls) else {}
    return own | {code: error for sub in cls.__subclasses__() for code, error in _tree(sub).items()}


def from_dict(body: dict[str, Any]) -> HallwayError:
    """Build the error that a hub sent, in the class of its code; an unknown code becomes a plain `HallwayError`."""
    error = dict(body["error"])
    code, message, hint = error.pop("code", "error"), error.pop("message", ""), error.pop("hint", None)
    return _tree(HallwayError).get(code, HallwayError)(message, hint=hint, **error)
