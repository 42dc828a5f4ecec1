"""Checkpoints that survive: staged, written, tried, committed to W&B, and found again."""
