"""What this machine knows: folders, workspaces, processes, credentials and local notifications."""
