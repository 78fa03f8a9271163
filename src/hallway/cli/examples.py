"""The end of each command's help: two examples or more, and what its arguments may be.

A word in capitals stands for an id. A test parses every example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.cli.labels import label
from hallway.core.schema import Duration

if TYPE_CHECKING:
    from argparse import ArgumentParser

EXAMPLES = """
hallway list
hallway list --all --project github.com/acme/shop
hallway show login-form
hallway show me --json
hallway attention
hallway attention --watch
hallway answer 3f2a 'Yes, run the migration'
hallway answer 3f2a --body-file answer.md
hallway dismiss 3f2a
hallway dismiss --undo 3f2a
hallway nudge 3f2a
hallway nudge 3f2a 'Is there anything you need?'
hallway rename login-form sign-in
hallway rename me review
hallway top
hallway top --url https://hub.example.org
hallway watch
hallway watch --kind message.sent,task.completed --json
hallway stats
hallway stats --project github.com/acme/shop
hallway open
hallway open --print
hallway send me login-form 'Is it done?'
hallway send me login-form 'Done?' --type request --reply-within 10m
hallway send me login-form 'The trace' - < trace.txt
hallway broadcast me 'The test database is down for ten minutes'
hallway broadcast me 'Please rebase' --priority high
hallway inbox me
hallway inbox login-form --wait 60 --ack
hallway reply me MESSAGE 'In api/auth.py'
hallway reply me MESSAGE - < answer.md
hallway thread MESSAGE
hallway thread MESSAGE --json
hallway messages me
hallway messages login-form --unread --type request
hallway search 'login form'
hallway search token --project github.com/acme/shop --limit 5
hallway requests
hallway requests --unanswered --from login-form
hallway ack me MESSAGE
hallway ack login-form MESSAGE,MESSAGE
hallway replies me MESSAGE
hallway replies me MESSAGE --wait 60
hallway deliveries MESSAGE
hallway deliveries MESSAGE --limit 10
hallway task offer me login-form 'Mend the login form'
hallway task offer me capability:review 'Review the tokens'
hallway task accept me TASK
hallway task accept login-form TASK
hallway task handoff me TASK login-form 'Its tests are not done'
hallway task handoff me TASK login-form --body-file notes.md
hallway task complete me TASK
hallway task complete me TASK 'Done, with tests'
hallway task cancel me TASK
hallway task cancel me TASK 'Not needed any more'
hallway task show TASK
hallway task show TASK --json
hallway task list
hallway task list --all --status completed
hallway memory set me db/port 5432 --type fact
hallway memory set me plan/tokens - < plan.md
hallway memory get db/port
hallway memory get db/port --all
hallway memory search 'hashed tokens'
hallway memory search tokens --type decision --limit 5
hallway memory delete me db/port
hallway memory delete login-form db/port
hallway memory clear --session login-form --dry-run
hallway memory clear --project github.com/acme/shop
hallway claim 'src/api/**' --intent 'new handlers' --for 1h
hallway claim docs/ README.md --shared --wait 60
hallway claims
hallway claims --tree --project github.com/acme/shop
hallway release
hallway release 'src/api/**'
hallway conflicts
hallway conflicts --project github.com/acme/shop
hallway conflicts settle me CONFLICT
hallway conflicts settle login-form CONFLICT
hallway guard pre-commit
hallway guard pre-push origin git@github.com:acme/shop.git
hallway install
hallway install claude-code codex --dry-run
hallway demo
hallway demo --json
hallway try
hallway try claude-code codex --yes
hallway doctor
hallway doctor --url https://hub.example.org
hallway uninstall
hallway uninstall codex --dry-run
hallway use https://hub.example.org
hallway use local
hallway notify add desktop
hallway notify add webhook - --name ops --kind permission,question < url.txt
hallway notify list
hallway notify list --json
hallway notify test
hallway notify test desktop
hallway completion bash
hallway completion fish > ~/.config/fish/completions/hallway.fish
hallway serve
hallway serve --host 0.0.0.0 --tls-cert hub.pem --tls-key hub.key
hallway login https://hub.example.org --use
hallway login https://hub.example.org
hallway logout https://hub.example.org
hallway logout https://hub.example.org --json
hallway whoami
hallway whoami --json
hallway token create bob --role agent
hallway token create ci --project github.com/acme/shop --expires 30d
hallway token list
hallway token list --json
hallway token revoke bob
hallway token revoke ci --json
hallway token rotate bob
hallway token rotate ci --json
hallway token logins
hallway token logins --json
hallway token logout 3f2a9c10
hallway token logout 3f2a9c10 --json
hallway project move /home/alice/shop github.com/acme/shop --dry-run
hallway project move --undo /home/alice/shop github.com/acme/shop
hallway prune --older-than 30d
hallway prune --keep-bytes 100000000 --yes
hallway clear-offline --older-than 7d
hallway clear-offline --all-projects --dry-run
hallway backup ~/hallway-backup.db
hallway backup /backups/bus.db --json
hallway export > bus.jsonl
hallway export --project github.com/acme/shop > shop.jsonl
hallway import bus.jsonl
hallway import .sessions --project github.com/acme/shop
hallway register s1 "alice's claude" claude-code
hallway register s1 'an agent' script --name login-form --ttl 10m
hallway heartbeat me
hallway heartbeat s1 --task 'mend the login form'
hallway status s1 working --task 'mend the login form'
hallway status s1 waiting --detail 'may I run the migration?'
hallway ping me
hallway ping s1
hallway continue s2 s1
hallway continue me s1
hallway end me
hallway end s1 'closed its window'
hallway mcp
hallway mcp --profile full
hallway hook claude-code < payload.json
hallway hook codex SessionStart < payload.json
hallway beacon
hallway beacon --file STATUS.md --watch
hallway complete sessions
hallway complete keys
"""
SESSIONS = ("SESSION", "FROM", "TO")
ABOUT_SESSIONS = (
    "A session is its name (login-form), its id, or the first four characters of its id. me is the session whose agent"
    " runs this command, else you."
)
ABOUT_LISTS = "A,B is a list with commas."
ABOUT_TIMES = "Times ({}) are in seconds, or have a unit: 90s, 15m, 12h, 30d."


def examples_of(words: str) -> list[str]:
    """Return the examples of a command."""
    beginning = f"hallway {words}"
    return [line for line in EXAMPLES.strip().splitlines() if line == beginning or line.startswith(f"{beginning} ")]


def end_of_help(parser: ArgumentParser) -> str:
    """Return what the help of a command says after its arguments."""
    operation = parser.get_default("operation")
    words = (operation.verb if operation else parser.prog.removeprefix("hallway")).strip()
    metavars = {action.metavar for action in parser._actions}  # argparse has no public way to its arguments
    notes = [ABOUT_SESSIONS] if metavars.intersection(SESSIONS) else []
    notes += [ABOUT_LISTS] if "A,B" in metavars else []
    parameters = operation.parameters if operation else {}
    times = [label(operation, name) for name, each in parameters.items() if isinstance(each.kind, Duration)]
    notes += [ABOUT_TIMES.format(", ".join(times))] if times else []
    is_command = parser.get_default("command") is not None
    examples = "\n".join(f"  {line}" for line in examples_of(words)) if is_command else ""
    return "\n\n".join([*([" ".join(notes)] if notes else []), *([f"examples:\n{examples}"] if examples else [])])
