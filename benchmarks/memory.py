"""Whether memory stays flat: resident size over a thousand training steps, plain and under `watch`."""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
from pathlib import Path


def resident_bytes() -> int:
    """Return the resident size of this process, Linux only."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def sizes(model: str, mode: str, n_steps: int) -> list[int]:
    """Run the steps and return the resident bytes after each tenth of them."""
    import torch
    from modes import modes
    from steps import WORKLOADS

    torch.set_num_threads(1)
    torch.manual_seed(0)
    step = WORKLOADS[model].make()
    found = []
    with modes()[mode]():
        for n in range(1, n_steps + 1):
            step()
            if n % max(1, n_steps // 10) == 0:
                gc.collect()
                found.append(resident_bytes())
    return found


def main() -> None:
    """Effect: prints a line a mode; each mode runs in its own process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--mode", action="append")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(*sizes(arguments.model, arguments.inside, arguments.steps))
        return
    print(f"resident MiB after each tenth of {arguments.steps} steps of `{arguments.model}`")
    for mode in arguments.mode or ("plain", "watch"):
        command = [sys.executable, __file__, "--model", arguments.model, "--steps", str(arguments.steps)]
        done = subprocess.run([*command, "--inside", mode], capture_output=True, text=True, check=True)
        mebibytes = [int(size) / 2**20 for size in done.stdout.split()]
        growth = mebibytes[-1] - mebibytes[1]
        print(
            f"{mode:8} {' '.join(f'{size:.0f}' for size in mebibytes)}  grew {growth:+.1f} MiB after the second tenth"
        )


if __name__ == "__main__":
    main()
