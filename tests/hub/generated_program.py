"""Works with a hub through the client that a public generator made of its OpenAPI document; run by test_openapi.py."""

# mypy: ignore-errors
# The client is not there when types are checked.

import sys

from generated import Client
from generated.api.memory import memory_find, memory_get_entry, memory_set
from generated.api.messages import messages_acknowledge, messages_inbox, messages_send
from generated.api.sessions import sessions_find_sessions, sessions_get, sessions_heartbeat, sessions_register
from generated.models.error import Error
from generated.models.memory_set_body import MemorySetBody
from generated.models.message_type import MessageType
from generated.models.messages_acknowledge_body import MessagesAcknowledgeBody
from generated.models.messages_send_body import MessagesSendBody
from generated.models.messages_send_body_type_type_0 import MessagesSendBodyTypeType0
from generated.models.session_status import SessionStatus
from generated.models.sessions_heartbeat_body import SessionsHeartbeatBody
from generated.models.sessions_register_body import SessionsRegisterBody

PROJECT = "github.com/acme/generated"
hub = Client(base_url=sys.argv[1])

for session_id, agent in (("gen-1", "alice"), ("gen-2", "bob")):
    who = SessionsRegisterBody(session_id=session_id, agent_name=agent, agent_type="codex", project=PROJECT)
    session = sessions_register.sync(client=hub, body=who)
    assert (session.session_id, session.status, session.ended_at) == (session_id, SessionStatus.ACTIVE, None)

beat = sessions_heartbeat.sync("gen-1", client=hub, body=SessionsHeartbeatBody(current_task="mend the cart"))
assert [other.agent_name for other in beat.others] == ["bob"]
assert len(sessions_find_sessions.sync(client=hub, project=PROJECT)) == 2

letter = MessagesSendBody(
    from_session="gen-1", to_session="gen-2", type_=MessagesSendBodyTypeType0.REQUEST, subject="review", body="please"
)
first = messages_send.sync(client=hub, body=letter, idempotency_key="gen-key")
again = messages_send.sync(client=hub, body=letter, idempotency_key="gen-key")
assert (again.message_id, first.is_repeat, again.is_repeat) == (first.message_id, False, True)
(message,) = messages_inbox.sync("gen-2", client=hub)
assert (message.type_, message.body, message.sent_at.utcoffset().total_seconds()) == (MessageType.REQUEST, "please", 0)
taken = messages_acknowledge.sync("gen-2", client=hub, body=MessagesAcknowledgeBody(message_ids=[message.message_id]))
assert taken == 1

entry = MemorySetBody(session_id="gen-1", value={"forms": ["one"]}, tags=["gen-a", "gen-b"])
written = memory_set.sync("decision", client=hub, body=entry)
lost = memory_set.sync_detailed("decision", client=hub, body=entry, if_match='"7"')
assert (lost.status_code, lost.parsed.error.code) == (412, "version_conflict")
assert memory_set.sync("decision", client=hub, body=entry, if_match=f'"{written.version}"').version == 2
assert memory_set.sync("decision/forms", client=hub, body=entry).key == "decision/forms"
assert memory_get_entry.sync("decision/forms", client=hub, project=PROJECT).version == 1
(hit,) = memory_find.sync(client=hub, pattern="decision", tags=["gen-a", "gen-b"], match_all=True, project=PROJECT)
assert (hit.key, hit.version) == ("decision", 2)
assert memory_get_entry.sync("decision", client=hub, project=PROJECT).value == {"forms": ["one"]}

missing = sessions_get.sync("nobody", client=hub)
assert isinstance(missing, Error)
assert missing.error.code == "session_not_found"
