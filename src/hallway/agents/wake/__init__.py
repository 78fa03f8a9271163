"""Ways to reach a session that idles, each by what its client supports.

Each way hands a text to a client and only learns that the client accepted it. The messages count as `injected` when the
text passes the session's prompt hook, which finds their ids in the text (`handler.py`).
"""
