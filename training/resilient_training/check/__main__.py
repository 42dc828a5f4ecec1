"""`python -m resilient_training.check`."""

import sys

from resilient_training.check.command import main

sys.exit(main())
