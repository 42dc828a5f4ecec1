"""Proofs that can be run: a model of the protocol, walked state by state."""
