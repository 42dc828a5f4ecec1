"""Replays: one event through the real way of a message, or one log line's decision again."""
