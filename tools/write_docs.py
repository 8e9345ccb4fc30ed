"""Write the generated pages of docs/rules from the rules themselves; with `--check`, say which are out of date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gradsan.tasks.explain import documentation

RULES = Path(__file__).parents[1] / "docs" / "rules"


def main() -> int:
    """Effect: writes docs/rules and removes pages of rules that are gone; with `--check`, only compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 when a page would change")
    arguments = parser.parse_args()
    wanted = documentation()
    present = {path.name: path.read_text(encoding="utf-8") for path in RULES.glob("*.md")}
    stale = sorted(name for name in {*wanted, *present} if wanted.get(name) != present.get(name))
    if arguments.check:
        for name in stale:
            print(f"docs/rules/{name} is out of date; `make docs` writes it", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        if name in wanted:
            (RULES / name).write_text(wanted[name], encoding="utf-8")
        else:
            (RULES / name).unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
