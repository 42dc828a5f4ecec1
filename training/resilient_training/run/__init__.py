"""`resilient-run`: any training, of any framework, on any number of hosts, brought back."""
