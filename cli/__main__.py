"""`python -m cli` is `doorward`."""

import sys

from cli.main import main

sys.exit(main())
