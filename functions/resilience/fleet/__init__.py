"""All opted-in jobs at once: what events missed, and the fleet breaker."""
