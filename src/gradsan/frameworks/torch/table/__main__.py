"""The command that makes the table of the installed torch."""

from __future__ import annotations

import sys

from gradsan.frameworks.torch.table.generate import main

if __name__ == "__main__":
    sys.exit(main())
