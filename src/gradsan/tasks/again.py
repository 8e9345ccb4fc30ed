"""A program that has run in this process is run again, in an interpreter of its own."""

from __future__ import annotations

import os
from pathlib import Path

from gradsan.model.span import Span
from gradsan.tasks import trial
from gradsan.tasks.run import Program
from gradsan.tasks.trial import Mode, Origin, Seen, Trial

TIMEOUT_S = 900.0


class Again:
    """What must be known of a program before it runs, so that it can be run again."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._origin = Origin(Path.cwd(), dict(os.environ))
        self._roots = trial.roots_of(program)

    def run(self, mode: Mode = Mode.PLAIN, *, audit: str = "", closely: tuple[Span, ...] = ()) -> Seen:
        """Run the program, and return what was seen of it; ``usage`` says why it could not be run.

        Effect: starts a process; what the program does to files below the working directory is undone.
        """
        if int(os.environ.get("WORLD_SIZE", "1") or 1) > 1:
            return Seen(usage="one rank of several can't be run again alone")
        asked = Trial(self._program, {}, mode, audit=audit, closely=closely, roots=self._roots)
        seen = trial.hold(asked, timeout_s=TIMEOUT_S, origin=self._origin)
        why_not = seen.problem or seen.usage
        return Seen(usage=f"the program can't be run again: {why_not}") if why_not else seen
