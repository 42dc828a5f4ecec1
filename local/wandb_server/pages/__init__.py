"""A small view of what the server holds, for people."""
