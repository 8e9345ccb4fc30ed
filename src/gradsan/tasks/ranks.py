"""Several ranks of one job: equal findings are told once, with their ranks, and no collective is added.

The ranks of a node meet in a folder of the temporary directory: a rank that finds something leaves a mark for each
finding; the first to do so tells it, after a short wait for the marks of the others.  Nobody leaves before it is told:
a launcher kills the other ranks as soon as one has failed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gradsan.model.diagnostic import Diagnostic
from gradsan.model.report import Report

WAIT_FOR_MARKS_S = 1.5
WAIT_FOR_TELLING_S = 4.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Ranks:
    """The place of this process among the ranks of its job, as the launcher's environment variables say."""

    rank: int
    n_local: int
    folder: Path

    @classmethod
    def from_environment(cls) -> Ranks | None:
        """Return this process's place; None outside a job of several ranks.

        Source: torch/distributed/run.py, "Environment Variables", torch 2.13.0.
        """
        if int(os.environ.get("WORLD_SIZE", "1") or 1) < 2 or "RANK" not in os.environ:
            return None
        job = "-".join(
            [os.environ.get("TORCHELASTIC_RUN_ID", ""), os.environ.get("MASTER_PORT", ""), str(os.getppid())]
        )
        name = hashlib.sha1(job.encode(), usedforsecurity=False).hexdigest()[:16]
        n_local = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"]) or 1)
        return cls(int(os.environ["RANK"]), n_local, Path(tempfile.gettempdir()) / f"gradsan-{name}")

    def file_of_rank(self, path: str) -> str:
        """Return the name of this rank's own output file: ``out.json`` becomes ``out.rank1.json``."""
        given = Path(path)
        return str(given.with_name(f"{given.stem}.rank{self.rank}{given.suffix}"))

    def own_part(self, report: Report) -> Report:
        """Return the findings that this rank is to tell, with the ranks that share them.

        Effect: leaves marks in the meeting folder, and waits at most `WAIT_FOR_MARKS_S` for those of others.
        """
        self.folder.mkdir(exist_ok=True)
        keys = {finding: _name_of(finding) for finding in report.findings}
        for name in keys.values():
            (self.folder / f"{name}.found.{self.rank}").touch()
            with suppress(FileExistsError):  # another rank was first
                (self.folder / f"{name}.first").symlink_to(str(self.rank))
        self._mark_and_wait("ended", self.n_local, WAIT_FOR_MARKS_S)
        own = []
        for finding, name in keys.items():
            if os.readlink(self.folder / f"{name}.first") == str(self.rank):
                ranks = sorted(int(mark.suffix[1:]) for mark in self.folder.glob(f"{name}.found.*"))
                own.append(replace(finding, ranks=tuple(ranks)))
        return replace(report, findings=tuple(own))

    def leave(self) -> None:
        """Wait until every rank has told its part; the last one clears the folder.

        Effect: see above.
        """
        n_told = self._mark_and_wait("told", self.n_local, WAIT_FOR_TELLING_S)
        if n_told >= self.n_local and self.rank == min(self._ranks_of("told"), default=-1):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _mark_and_wait(self, what: str, n_wanted: int, limit_s: float) -> int:
        (self.folder / f"{what}.{self.rank}").touch()
        deadline = time.monotonic() + limit_s
        while len(self._ranks_of(what)) < n_wanted and time.monotonic() < deadline:
            time.sleep(POLL_S)
            if not self.folder.exists():
                return n_wanted
        return len(self._ranks_of(what))

    def _ranks_of(self, what: str) -> list[int]:
        return [int(mark.suffix[1:]) for mark in self.folder.glob(f"{what}.*")]


def _name_of(finding: Diagnostic) -> str:
    return hashlib.sha1(repr(finding.key).encode(), usedforsecurity=False).hexdigest()[:20]
