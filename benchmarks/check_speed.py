"""What `gradsan check` costs: processor seconds per 100,000 lines over given folders, beside parsing alone; memory.

All processes count, their start too; `again` says how much faster a second run on the same files is.
gradsan itself is compiled beforehand, as installing it does.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import gradsan
from gradsan.model.errors import SourceError
from gradsan.source.discover import find_files
from gradsan.source.read import read_source

N_LINES_UNIT = 100_000


def parse_seconds(files: list[Path]) -> tuple[float, int]:
    """Return the processor time of parsing files and doing nothing else, and how many lines they have.

    Effect: reads the files.
    """
    seconds, n_lines = 0.0, 0
    warnings.simplefilter("ignore")
    for file in files:
        try:
            text = read_source(file)
            n_lines += text.count("\n")
            before = time.process_time()
            ast.parse(text)
            seconds += time.process_time() - before
        except (SourceError, SyntaxError, ValueError, RecursionError):
            continue
    return seconds, n_lines


def check_seconds(folder: Path, cache: str, options: list[str]) -> tuple[float, float]:
    """Return the processor time of a check in all its processes, and the resident MiB of the largest of them.

    Effect: runs `gradsan check`, which writes the cache.
    """
    command = [sys.executable, "-m", "gradsan", "check", "--no-progress", "--output-format", "json", *options]
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    child = subprocess.Popen([*command, str(folder)], env=environment, stdout=subprocess.DEVNULL)
    _, _, used = os.wait4(child.pid, 0)
    child.returncode = 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Effect: prints a line a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--jobs", default="1", help="processes of a check (default: 1)")
    parser.add_argument("--rounds", type=int, default=1, help="the fastest of several rounds counts")
    arguments = parser.parse_args()
    compileall.compile_dir(Path(gradsan.__file__).parent, quiet=1)
    print(f"processor seconds per {N_LINES_UNIT:,} lines, {arguments.jobs} processes")
    print(f"{'folder':24} {'lines':>9} {'parse':>6} {'check':>6} {'ratio':>6} {'again':>7} {'MiB':>5}")
    for folder in arguments.folders:
        files = find_files([folder])
        parsing, n_lines = min(parse_seconds(files) for _ in range(arguments.rounds))
        firsts, agains, sizes = [], [], []
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as cache:
                seconds, mebibytes = check_seconds(folder, cache, ["--jobs", arguments.jobs])
                firsts.append(seconds)
                sizes.append(mebibytes)
                agains.append(check_seconds(folder, cache, ["--jobs", arguments.jobs])[0])
        first, unit = min(firsts), N_LINES_UNIT / max(n_lines, 1)
        print(
            f"{folder.name:24} {n_lines:9} {parsing * unit:6.2f} {first * unit:6.2f} {first / parsing:6.1f}"
            f" {first / min(agains):6.1f}x {max(sizes):5.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
