"""Edits to source, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Applicability(Enum):
    """How far a fix may be applied without a person reading it."""

    SAFE = "safe"
    """Same forward values, and the gradient that the program meant."""
    UNSAFE = "unsafe"
    """May mutate forward values or the meaning of the gradient; needs proof or a reader."""
    DISPLAY = "display"
    """To be read, not applied: the edit is incomplete."""


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace a stretch of one file; lines and columns as in `Span`."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    replacement: str


@dataclass(frozen=True, slots=True)
class Fix:
    """One way to repair a finding."""

    title: str
    applicability: Applicability
    edits: tuple[Edit, ...]
