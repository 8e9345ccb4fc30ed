"""What can go wrong on our side of the border.

Each error says what was given, what was expected and what to do.  A surface prints it as one line and ends with
exit status 2; no traceback of ours is shown.
"""

from __future__ import annotations


class GradsanError(Exception):
    """Root of every error that gradsan raises on purpose."""

    slug = "error"
    """Anchor of the error in the documentation."""


class UsageError(GradsanError):
    """The request can't be understood: a missing file, a bad option, an unknown name."""

    slug = "usage"


class FrameworkMissing(GradsanError):
    """The verb needs a framework that isn't installed."""

    slug = "framework-missing"


class OutputError(GradsanError):
    """The report could not be written where it was asked for."""

    slug = "output"


class SourceError(GradsanError):
    """A source file can't be read or parsed."""

    slug = "source"


class SilentCorruption(GradsanError):
    """A backward would compute a wrong gradient without an error; ``enable(strict=True)`` raises this instead."""

    slug = "silent-corruption"
