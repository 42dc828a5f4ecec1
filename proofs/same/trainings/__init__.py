"""Trainings as people write them. Each function is the script of one variant."""
