"""Resumed means the same, or it says so: variants of trainings x places to break them."""
