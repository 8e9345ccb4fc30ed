"""The command that makes, or verifies, the table of the installed torch."""

from __future__ import annotations

import sys

from gradsan.frameworks.torch.table.agreement import write_agreement
from gradsan.frameworks.torch.table.generate import generate, table_path
from gradsan.frameworks.torch.table.verify import verify

if __name__ == "__main__":
    if sys.argv[1:] == ["--verify"]:
        outcome = verify()
        print(outcome.describe())
        print(write_agreement(outcome, table_path()))
        sys.exit(1 if outcome.unexplained else 0)
    path = generate()
    print(f"{path}: {path.stat().st_size} bytes; `--verify` holds it against the engine")
