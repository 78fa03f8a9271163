"""Data into and out of a bus: export, import, import of the older layout, the status file."""
