"""What crosses the border as text, read and written: tags, Environment, events, switches. Pure."""
