"""Ways to reach a session that idles, by what its client supports."""
