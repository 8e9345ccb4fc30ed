"""Edits to source, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Applicability(Enum):
    """How far a fix may be applied without a person reading it."""

    SAFE = "safe"
    """Same forward values, and the gradient that the program meant."""
    UNSAFE = "unsafe"
    """May mutate forward values or the meaning of the gradient; needs proof or a reader."""
    DISPLAY = "display"
    """To be read, not applied: the edit is incomplete."""


class Remedy(Enum):
    """What a proposal in words and an edit of source have in common: the edit says how the words are done here."""

    OUT_OF_PLACE = "out-of-place"
    COPY_BEFORE_WRITE = "copy-before-write"
    COPY_AT_SAVE = "copy-at-save"
    INPLACE_FLAG = "inplace-flag"
    OFF_TAPE = "off-tape"
    WRITE_LATER = "write-later"
    NO_INFERENCE = "no-inference"
    SINGLE_VIEWS = "single-views"
    MADE_MAPPED = "made-mapped"


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
    remedy: Remedy | None = field(default=None, compare=False)
