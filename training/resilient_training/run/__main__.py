"""`python -m resilient_training.run`, as `resilient-run`."""

from resilient_training.run.command import leave

leave()
