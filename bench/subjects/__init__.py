"""What is measured: scripts that run in fresh processes and see only what they would see in use."""
