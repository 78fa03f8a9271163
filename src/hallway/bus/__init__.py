"""A bus: a store with its services, here or behind a hub."""
