"""The protocol as a finite machine, every state of which is visited."""
