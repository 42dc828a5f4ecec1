"""What becomes of a job that ended: facts in, one decision out. Pure."""
