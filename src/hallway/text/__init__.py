"""Text for people and agents: sanitizing, framing and style."""
