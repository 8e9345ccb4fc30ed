"""Gradients kept by reference: one tensor that a list holds once for each backward pass.

# NOTE [One gradient, many entries] ``grads.append(p.grad)`` keeps a reference.  Where gradients are zeroed in place, or
accumulated, every entry is the last gradient.  It is told where one list holds the same gradient, itself or in lists
inside, more often than the program has kept it between two writes.  Two lists that one list does not hold are none: the
older is mostly about to go.

# NOTE [Minus itself, plus itself] ``first = p.grad`` is a reference too.  After the next backward ``p.grad - first`` is
one tensor minus itself: zero, whatever the gradients were.  It is told where one of both was kept and has been written
since; the difference of what was not written is that of two equal gradients.  Likewise a sum that begins with a
reference and goes on by hand (``total += p.grad``) is one tensor added to itself: twice the last gradient.

# NOTE [When lists are searched] A line that keeps a gradient is doubtful if the tensor was written since it was kept
before and something still holds it.  The lists are searched a few lines later, when what the line made is where it
belongs; of a place that keeps again and again, the first times and ever more rarely.
"""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.regions import key_of
from gradsan.frameworks.torch.silent_history import needed_at
from gradsan.model.history import History, Witness
from gradsan.record.frames import Site, current_site
from gradsan.record.keeps import keeps

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

N_SURE_SEARCHES = 4
N_LINES = 3
N_LINES_OF_ALL = 64
"""Lines of the function that keeps and of its caller, or of whatever runs where these have ended."""
MAX_KEPT = 4096
_LISTS = (list, tuple, dict)
Place: TypeAlias = tuple[CodeType, int]


class Kept:
    """A gradient that the program has kept."""

    __slots__ = ("gradient", "n_before", "n_since", "place", "version", "version_before")

    def __init__(self, gradient: Any, place: Place) -> None:
        self.gradient = weakref.ref(gradient)
        self.place = place
        """Where it was kept last."""
        self.version = gradient._version
        self.version_before = -1
        """When it was kept before the last write."""
        self.n_since = self.n_before = 0
        """How often it was kept since it was last written, and between that and the write before."""


class Doubt:
    """A line that keeps a gradient once more."""

    __slots__ = ("around", "kept", "n_lines", "n_lines_of_all", "place")

    def __init__(self, kept: Kept, place: Place, around: tuple[CodeType, ...]) -> None:
        self.kept = kept
        self.place = place
        self.around = around
        """The function that keeps, and the one that called it."""
        self.n_lines = self.n_lines_of_all = 0


class HistoryAudit:
    """Follows which gradients the program keeps, and searches the lists that hold them."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._kept: dict[int, Kept] = {}
        self._n_doubts: Counter[tuple[str, int]] = Counter()
        """By file and line."""
        self.doubts: list[Doubt] = []
        """What is to be looked at after the next lines."""
        self.on_first: Callable[[], None] | None = None
        """Called when the program first keeps a gradient."""

    def note(self, gradient: Any, frame: FrameType, n_references: int) -> None:
        """Note that a line keeps a gradient, which ``n_references`` hold beside those of the call."""
        code, line = frame.f_code, frame.f_lineno
        if not keeps(code.co_filename, line, "grad"):
            return
        kept = self._kept.get(id(gradient))
        if kept is None or kept.gradient() is not gradient:
            if len(self._kept) >= MAX_KEPT:
                self._kept = {key: each for key, each in self._kept.items() if each.gradient() is not None}
            kept = self._kept[id(gradient)] = Kept(gradient, (code, line))
            if self.on_first is not None:
                self.on_first()
                self.on_first = None
        kept.place = code, line
        if kept.version != gradient._version:
            kept.version_before, kept.version = kept.version, gradient._version
            kept.n_before, kept.n_since = kept.n_since, 0
            if n_references > 0 and not any(doubt.place == (code, line) for doubt in self.doubts):
                self._doubt(kept, frame)
        kept.n_since += 1

    def join(self, one: Any, other: Any, witness: Witness) -> bool:
        """Tell of a gradient that meets itself, and return whether; see NOTE [Minus itself, plus itself]."""
        kept = self._kept.get(id(one)) or self._kept.get(id(other))
        gradient = None if kept is None else kept.gradient()
        if kept is None or gradient is None or not (gradient is one or gradient is other):
            return False
        is_written = bool(kept.version != gradient._version)
        if is_written:
            here = current_site(self._audit.recorder.user_code)
            at = Site(kept.place[0], -1, kept.place[1]).span()
            notes = (f"kept by reference at line {at.line} of {Path(at.path).name}",)
            self._tell(gradient, kept.version, here, witness, notes)
        return is_written

    def _doubt(self, kept: Kept, frame: FrameType) -> None:
        place = frame.f_code, frame.f_lineno
        known = place[0].co_filename, place[1]
        self._n_doubts[known] += 1
        n_doubts = self._n_doubts[known]
        if n_doubts > N_SURE_SEARCHES and n_doubts & (n_doubts - 1):
            return
        while frame.f_code.co_name.startswith("<") and frame.f_code.co_name != "<module>" and frame.f_back is not None:
            frame = frame.f_back  # a comprehension
        around = (frame.f_code,) if frame.f_back is None else (frame.f_code, frame.f_back.f_code)
        self.doubts.append(Doubt(kept, place, around))
        self._audit.lines.start()

    def after_line(self, site: Site | None) -> None:
        """Search where some lines have passed since a doubt; see NOTE [When lists are searched]."""
        for doubt in list(self.doubts):
            if site is not None and site.code in doubt.around and (site.code, site.line) != doubt.place:
                doubt.n_lines += 1
            doubt.n_lines_of_all += 1
            if doubt.n_lines >= N_LINES or doubt.n_lines_of_all >= N_LINES_OF_ALL:
                self.doubts.remove(doubt)
                gradient = doubt.kept.gradient()
                if gradient is not None and _n_entries(gradient) > max(doubt.kept.n_since, doubt.kept.n_before):
                    place = Site(doubt.place[0], -1, doubt.place[1])
                    self._tell(gradient, doubt.kept.version_before, place, Witness.LISTED_GRADIENTS)

    def _tell(
        self, gradient: Any, since: int, site: Site | None, witness: Witness, notes: tuple[str, ...] = ()
    ) -> None:
        recorder, key = self._audit.recorder, key_of(gradient)
        log = None if key is None else recorder.writes.find(key)
        runs = [run for run in log.runs if run.last_after > since] if log is not None else []
        last = max(runs, key=lambda run: run.last_order, default=None)
        ended = recorder.backwards
        place = last.site if last is not None else ended[-1].site if ended else None
        written = self._audit.written(place, "backward" if last is None else last.operation)
        events = (written, needed_at(recorder, site, ""))
        self._audit.tell(History(subject=subject_of(gradient), events=events, witness=witness, notes=notes))


def _n_entries(gradient: Any) -> int:
    """Return how often one list holds a gradient, itself or in lists inside, at most."""
    inner = [each for each in gc.get_referrers(gradient) if type(each) in _LISTS]
    most = max((_count(each, gradient) for each in inner if type(each) is not dict), default=0)
    outer: Counter[int] = Counter()
    for one in inner:
        for each in gc.get_referrers(one):
            if type(each) in (list, tuple) and each is not inner:
                outer[id(each)] += _count(one, gradient) * sum(entry is one for entry in each)
    return max(most, *outer.values(), 0)


def _count(container: Any, gradient: Any) -> int:
    entries = list(container.values()) if type(container) is dict else container
    return sum(each is gradient for each in entries)
