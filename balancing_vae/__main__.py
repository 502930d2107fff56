"""`python -m balancing_vae` is `balancing-vae`."""

import sys

from balancing_vae.cli import main

sys.exit(main())
