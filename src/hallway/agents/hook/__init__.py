"""Hooks: they record on the bus what happens in a client, and show its agent what is new on the bus."""
