"""A regular package: a dependency (smdebug-rulesconfig) installs a top-level package of this name, which would win."""
