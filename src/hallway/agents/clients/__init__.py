"""One folder per client: its hooks, its installation, its way to be woken."""
