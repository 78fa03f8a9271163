"""The hub: a bus over HTTP. Heavy imports live here and are loaded by `hallway serve` alone."""
