"""The threads and loops of a hub: writer, reader, heartbeats, pruner, watchdog, notifier."""
