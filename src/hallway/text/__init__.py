"""Text from and for people and agents: sanitizing, framing, secrets, style."""
