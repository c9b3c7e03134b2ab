"""`python -m limitlab.cli`, as `accelerate launch -m` needs it."""

import sys

from limitlab.cli import main

sys.exit(main())
