"""Constructs records, reads their fields, and copies one."""

from datetime import UTC, datetime

from hallway.core.model import Message, PeerSession

peer = PeerSession(
    session_id="s1",
    name="shop",
    agent_name="alice's claude",
    agent_type="claude-code",
    status="working",
    reason=None,
    detail=None,
    status_s=0,
    current_task=None,
    human_user="alice",
    branch=None,
    silent_s=3,
)
message = Message(
    message_id="m1",
    seq=1,
    type="request",
    from_session="s1",
    to_session="s2",
    project="github.com/acme/shop",
    subject="review",
    body="",
    data={"files": ["shop.py"]},
    priority="normal",
    in_reply_to=None,
    thread_id="m1",
    task_id=None,
    sent_at=datetime.now(UTC),
    expires_at=None,
    reply_by=None,
)
name: str = peer.replace(status="idle").agent_name
seq: int = message.seq
assert (name, seq, peer == peer.replace()) == ("alice's claude", 1, True)
