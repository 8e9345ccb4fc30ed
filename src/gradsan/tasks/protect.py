"""Run a stretch of a program so that backward gets what was saved, whatever is written in between."""

from __future__ import annotations

from gradsan import frameworks
from gradsan.model.copied import Copied
from gradsan.model.history import History
from gradsan.record.session import Options, Session


class Protect:
    """One protected stretch of a program.

    Forward values are those of the program; gradients are the true ones of what was computed.

    With ``at_once``, what is saved is copied when it is saved, whoever may write it later.

    Example:
        >>> protect = Protect()
        >>> protect.start(); ...; protect.stop()
        >>> protect.copies
    """

    def __init__(self, framework: str = "torch", *, at_once: bool = False) -> None:
        self._adapter = frameworks.load(framework)
        self._session = Session(listener=_say_nothing, options=Options(protect=True, protect_at_once=at_once))

    def start(self) -> None:
        """Begin to protect.

        Effect: copies saved tensors that are about to be overwritten, until `stop`.
        """
        self._adapter.start(self._session)

    def stop(self) -> None:
        """Stop; what was saved meanwhile stays good."""
        self._adapter.stop(self._session)

    @property
    def copies(self) -> tuple[Copied, ...]:
        """What was copied, by the line that was about to write, the largest first."""
        return self._adapter.copies(self._session)

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What could not be protected, and why."""
        return self._session.not_covered


def _say_nothing(_history: History, _exception: BaseException | None) -> str:
    return ""
