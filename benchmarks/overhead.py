"""What gradsan adds to whole training steps, as ratios of two runs in one process.

Each round runs a stretch of steps in every mode, in an order that rotates from round to round; a mode's ratio is its
time over the plain time of the same round.  Printed are the median of the ratios and their quartiles.  A stretch
begins after one step in the mode, so entering and leaving it is not counted.  Time is the process's own processor time
on one thread: what else the machine does disturbs it little.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import sys
import time
import warnings
from dataclasses import asdict, dataclass

import torch
from modes import PLAIN, Mode, modes
from steps import WORKLOADS, Step


@dataclass(frozen=True, slots=True)
class Overhead:
    """The ratios of one mode on one model; ``plain_step_ms`` only says how large the step is."""

    model: str
    mode: str
    median_ratio: float
    lower_quartile_ratio: float
    upper_quartile_ratio: float
    n_rounds: int
    plain_step_ms: float


def stretch_seconds(step: Step, mode: Mode, n_steps: int) -> float:
    """Time ``n_steps`` steps in a mode, after one that isn't counted."""
    with mode():
        step()
        gc.collect()
        before = time.process_time()
        for _ in range(n_steps):
            step()
        return time.process_time() - before


def measure(model: str, chosen: dict[str, Mode], n_rounds: int) -> list[Overhead]:
    """Run the rounds of one model."""
    torch.manual_seed(0)
    workload = WORKLOADS[model]
    step = workload.make()
    for _ in range(3):
        step()
    names = list(chosen)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for n in range(n_rounds):
        turn = n % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(stretch_seconds(step, chosen[name], workload.n_steps))
    plain = seconds[PLAIN]
    step_ms = statistics.median(plain) / workload.n_steps * 1e3
    rows = []
    for name in names:
        if name == PLAIN:
            continue
        ratios = [under / bare for under, bare in zip(seconds[name], plain, strict=True)]
        lower, median, upper = statistics.quantiles(ratios, n=4) if n_rounds > 1 else ratios * 3
        rows.append(Overhead(model, name, median, lower, upper, n_rounds, step_ms))
    return rows


def as_table(rows: list[Overhead]) -> str:
    """Lay the rows out for a terminal."""
    lines = [
        f"Python {platform.python_version()}, torch {torch.__version__}, {torch.get_num_threads()} thread",
        f"{'model':8} {'mode':8} {'median':>7}  {'quartiles':>13}  {'rounds':>6}  {'plain step':>10}",
    ]
    for row in rows:
        quartiles = f"{row.lower_quartile_ratio:.3f}-{row.upper_quartile_ratio:.3f}"
        lines.append(
            f"{row.model:8} {row.mode:8} {row.median_ratio:6.3f}x  {quartiles:>13}  {row.n_rounds:6}"
            f"  {row.plain_step_ms:7.1f} ms"
        )
    return "\n".join(lines)


def main() -> None:
    """Effect: prints a table, or JSON."""
    available = modes()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", action="append", choices=sorted(WORKLOADS), help="default: all; may be repeated")
    others = [name for name in available if name != PLAIN]
    parser.add_argument("--mode", action="append", choices=others, help="default: all; may be repeated")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Anomaly Detection has been enabled")
    chosen = {name: available[name] for name in (PLAIN, *(arguments.mode or others))}
    rows = [row for model in arguments.model or WORKLOADS for row in measure(model, chosen, arguments.rounds)]
    if arguments.json:
        json.dump([asdict(row) for row in rows], sys.stdout, indent=2)
        print()
    else:
        print(as_table(rows))


if __name__ == "__main__":
    main()
