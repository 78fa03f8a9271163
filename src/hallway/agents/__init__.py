"""hallway's parts inside the clients: hooks, their installation, and waking idle sessions."""
