"""Local state of this machine: folders, workspaces, processes, credentials and notifications."""
