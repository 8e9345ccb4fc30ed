"""torch behind the adapter's door."""

from __future__ import annotations

import torch

from gradsan.frameworks.base import Capabilities
from gradsan.frameworks.torch import failures
from gradsan.frameworks.torch.recorder import Recorder
from gradsan.model.history import History
from gradsan.model.report import Framework
from gradsan.record.session import Session


class TorchAdapter:
    """One recorder a process, however many sessions listen."""

    def __init__(self) -> None:
        self._recorder = Recorder()

    @property
    def framework(self) -> Framework:
        """Name and version of the framework."""
        return Framework("torch", torch.__version__.split("+")[0])

    @property
    def capabilities(self) -> Capabilities:
        """What can be seen here and now."""
        return Capabilities(
            records_writes=True, inspects_graphs=True, names_saving_line=not self._recorder.clock.refusal
        )

    def start(self, session: Session) -> None:
        """Begin to record into a session."""
        self._recorder.start(session)

    def stop(self, session: Session) -> None:
        """Let a session go."""
        self._recorder.stop(session)

    def inspect(self, *roots: object) -> tuple[History, ...]:
        """Return the conflicts that a backward pass from ``roots`` would meet, without running it."""
        return tuple(failures.inspect(self._recorder, roots))
