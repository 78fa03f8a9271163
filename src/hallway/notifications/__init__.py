"""Notifications of persons: the rules file, the sinks, and the dispatcher that sends each item once (H3)."""
