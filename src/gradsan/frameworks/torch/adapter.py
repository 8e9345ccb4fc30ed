"""torch behind the adapter's door."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gradsan.frameworks.base import Capabilities
from gradsan.frameworks.torch import failures, refusals, tracers
from gradsan.frameworks.torch.recorder import Recorder
from gradsan.frameworks.torch.saving import SavedTensorHooks
from gradsan.knowledge.versions import numbers
from gradsan.model.copied import Copied
from gradsan.model.errors import UsageError
from gradsan.model.history import History
from gradsan.model.report import Framework
from gradsan.record.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradsan.frameworks.torch import truth
    from gradsan.frameworks.torch.audit import Audit
    from gradsan.frameworks.torch.protection import Protection
    from gradsan.frameworks.torch.witness import Witness
    from gradsan.model.verification import Verification

# NOTE [Only those pay who ask] Audit, protection, verification and witness are imported where they are asked for.


class TorchAdapter:
    """One recorder a process, however many sessions listen."""

    def __init__(self) -> None:
        self._recorder = Recorder()
        self._hooks = SavedTensorHooks()
        self._protections: dict[int, Protection] = {}
        self._audits: dict[int, Audit] = {}

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
        """Begin to record into a session.

        Raises:
            UsageError: this version of the framework can't do what the session asks for.
        """
        if session.options.audit or session.options.protect:
            _require("the audit" if session.options.audit else "protection")
        self._recorder.start(session)
        if session.options.audit:
            from gradsan.frameworks.torch.audit import Audit  # NOTE [Only those pay who ask]

            tracers.skip_our_code()  # what has just been imported
            audit = self._audits[id(session)] = Audit(self._recorder, self._hooks, session)
            audit.start()
        if session.options.protect:
            from gradsan.frameworks.torch.protection import Protection  # NOTE [Only those pay who ask]

            tracers.skip_our_code()
            at_once = session.options.protect_at_once
            protection = Protection(self._recorder, self._hooks, copies_at_once=at_once)
            self._protections[id(session)] = protection
            protection.start()

    def stop(self, session: Session) -> None:
        """Let a session go."""
        protection = self._protections.pop(id(session), None)
        if protection is not None:
            protection.stop()
            session.copies = protection.copies
        audit = self._audits.pop(id(session), None)
        if audit is not None:
            audit.stop()
        self._recorder.stop(session)

    def copies(self, session: Session) -> tuple[Copied, ...]:
        """Return what was copied for a session with ``protect``, the largest first."""
        protection = self._protections.get(id(session))
        return session.copies if protection is None else protection.copies

    def explain(self, error: BaseException) -> None:
        """Look at an exception that no wrapper has seen: what a reading operation or ``Function.apply`` raised."""
        refusals.left_unseen(self._recorder, error)

    def verify(self, fn: object, inputs: tuple[object, ...], *, protecting: truth.Protecting) -> Verification:
        """Compare a function's gradient with the true one; ``protecting`` opens a protected stretch."""
        from gradsan.frameworks.torch import truth  # NOTE [Only those pay who ask]

        _require("verifying")
        return truth.verify(fn, inputs, protecting)

    def inspect(self, *roots: object) -> tuple[History, ...]:
        """Return the conflicts that a backward pass from ``roots`` would meet, without running it."""
        return tuple(failures.inspect(self._recorder, roots))

    def witness(
        self,
        performs_refused: str = "",
        *,
        files: Sequence[str] = (),
        is_interpreted: bool = False,
        is_apart: bool = False,
    ) -> Witness:
        """Return a witness, not started; writes that the framework refuses can be performed for it.

        Raises:
            UsageError: a program can't be observed with this version of the framework.
        """
        _require("observing a program closely")
        from gradsan.frameworks.torch.witness import Witness  # NOTE [Only those pay who ask]

        return Witness(performs_refused, files=files, is_interpreted=is_interpreted, is_apart=is_apart)


_OLDEST_FOR_HOOKS = (2, 9)
"""The first version that tells which saved-tensor hooks are at work; what keeps saved tensors goes round them."""


def _require(what: str) -> None:
    if numbers(torch.__version__) < _OLDEST_FOR_HOOKS:
        oldest = ".".join(map(str, _OLDEST_FOR_HOOKS))
        raise UsageError(f"{what} needs PyTorch {oldest} or newer, and this is {torch.__version__}; upgrade PyTorch")
