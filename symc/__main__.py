"""``python -m symc``: the same as the ``symc`` command."""

import sys

from .cli import main

sys.exit(main())
