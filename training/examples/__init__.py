"""Trainings to copy from; each is killed and resumed in a test."""
