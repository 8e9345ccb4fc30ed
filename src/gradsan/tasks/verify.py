"""Verify that a function's gradient is the true one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gradsan import frameworks
from gradsan.model.verification import Verification
from gradsan.tasks.protect import Protect


def verify(fn: object, *inputs: object, framework: str = "torch") -> Verification:
    """Compare a function's gradient with finite differences, with functionalization and with protection.

    Effect: calls the function many times; random state and a module's buffers are put back.

    Raises:
        UsageError: nothing to call, or nothing to differentiate.
        FrameworkMissing: torch is not installed.
    """
    return frameworks.load(framework).verify(fn, inputs, protecting=lambda: _protected(framework))


@contextmanager
def _protected(framework: str) -> Iterator[None]:
    protect = Protect(framework)
    protect.start()
    try:
        yield
    finally:
        protect.stop()
