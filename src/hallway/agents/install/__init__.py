"""Installation of hallway in the clients, and its removal."""
