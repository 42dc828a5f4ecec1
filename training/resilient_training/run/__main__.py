"""`python -m resilient_training.run`, as `resilient-run`."""

import sys

from resilient_training.run.command import main

sys.exit(main())
