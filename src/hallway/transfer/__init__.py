"""Data in and out of a bus: export, import, older layouts, the status file."""
