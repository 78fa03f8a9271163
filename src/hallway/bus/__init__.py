"""Buses: the services on a store of this process (`LocalBus`) or behind a hub (`RemoteBus`)."""
