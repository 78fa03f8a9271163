"""Authentication and limits of the hub's requests: origin, tokens, rate limits, audit."""
