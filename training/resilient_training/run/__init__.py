"""`resilient-run`: any training command, with checkpoints that outlive its hosts."""
