"""Ways to reach a session that idles, each by what its client supports.

A way hands words to a client and knows no more than that the client was there. What counts as `injected` is what
comes back: each way's words pass the session's own prompt hook, which finds the messages' ids in them (`handler.py`).
"""
