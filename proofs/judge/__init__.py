"""Simulated lineages against an oracle that knows the true cause; the real controller decides."""
