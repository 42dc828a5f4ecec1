"""A regular package: smdebug-rulesconfig installs another of this name, which would win."""
