"""The hints of errors for callers of plain HTTP, who may have no command line.

A hub puts them in place of the hints that name commands; hallway's own client (`RemoteBus`) takes them out again, so
that each face can say what its own caller has to type.
"""

from __future__ import annotations

from hallway.core import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.core.operation import Operation

HINTS = {
    errors.Unauthorised.code: "Send the header Authorization: Bearer TOKEN. An admin makes tokens: POST /tokens",
    errors.SessionNotFound.code: "See all sessions: GET /sessions?include_offline=true. Register one: POST /sessions",
    errors.MessageNotFound.code: "See a session's messages: GET /messages?session_id=ID",
    errors.TaskNotFound.code: "See all tasks: GET /tasks?include_done=true",
    errors.ProjectNotFound.code: "See the projects of the sessions: GET /sessions?include_offline=true",
    errors.TokenNotFound.code: "See the valid tokens: GET /tokens",
    errors.LoginNotFound.code: "See the logged-in browsers: GET /logins",
    errors.EntryNotFound.code: "Search for it: GET /memory?query=WORDS, or GET /memory?pattern=KEY*",
    errors.AlreadyTaken.code: "See how it is now: GET /tasks/{task_id}",
    errors.VersionConflict.code: "Read the entry, merge your change, and set it with expected_version, its version",
    errors.ClaimNotFound.code: "See the claims: GET /claims",
    errors.NoAnswer.code: "Continue with other work and read the inbox later: GET /sessions/{session_id}/inbox",
}
IN_HEADER = "the session that calls, in the header Hallway-Session"


def http_hints(operation: Operation) -> dict[str, str]:
    """Return the hints of an operation's errors, by the error's code."""
    or_name = "Name it with the parameter project, or name" if "project" in operation.parameters else "Name"
    return {
        **HINTS,
        errors.InvalidInput.code: f"See {operation.method} {operation.path} in GET /openapi.json",
        errors.ProjectNeeded.code: f"{or_name} {IN_HEADER}",
        errors.IdentityMissing.code: f"Name who acts, a session's id or user:NAME: the parameter {operation.actor}",
    }
