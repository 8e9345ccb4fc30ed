"""What starting costs: `import gradsan`, and `gradsan run` beside plain Python on a script that only imports torch."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORT = "import time; t = time.process_time(); import gradsan; print(time.process_time() - t)"
SCRIPT = "import torch\n"

# As installed packages run: compiled once, by the run that isn't counted.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def import_seconds() -> float:
    """Time the import inside a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    return float(done.stdout)


def run_seconds(*command: str) -> float:
    """Return the processor time of a whole process, which depends little on what else the machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Effect: prints two lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    imports = [import_seconds() for _ in range(arguments.rounds)]
    print(f"import gradsan: {statistics.median(imports) * 1e3:.1f} ms, median of {arguments.rounds}")
    with tempfile.TemporaryDirectory() as room:
        script = Path(room) / "script.py"
        script.write_text(SCRIPT, encoding="utf-8")
        commands = {"python": (str(script),), "gradsan": ("-m", "gradsan", "run", str(script))}
        for command in commands.values():
            run_seconds(*command)
        added = [run_seconds(*commands["gradsan"]) - run_seconds(*commands["python"]) for _ in range(arguments.rounds)]
    lower, median, upper = statistics.quantiles(added, n=4)
    print(
        f"gradsan run adds {median:.3f} s to a script that only imports torch, "
        f"quartiles {lower:.3f} to {upper:.3f}, {arguments.rounds} rounds"
    )


if __name__ == "__main__":
    main()
