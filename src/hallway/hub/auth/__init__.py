"""Who sends a request and what they may do: origin, tokens, limits, audit."""
