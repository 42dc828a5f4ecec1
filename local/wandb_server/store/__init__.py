"""What the server remembers: rows in SQLite, bytes in files."""
