"""What hallway does inside the clients: hooks, installing them, and waking a session that idles."""
