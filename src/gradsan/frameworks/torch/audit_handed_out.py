"""Values of a graph that were handed out: what is written to them by NumPy, or through a pointer, the graph can't know.

# NOTE [Handed out with history] ``x.detach().numpy()`` shares the memory of ``x``.  What an operation has saved is
compared when it is needed (`audit`), but nobody may have saved ``x`` yet: what is computed from it after such a write
reads the new value, and the gradient flows back as if nothing had been written.  Memory that is handed out while it
shows the result of a node is therefore compared after each line.  A line after which it differs, with no write on
record, is noted as a suspicious write off the tape, and judged as any other (`silent`).
"""

from __future__ import annotations

import functools
import sys
import weakref
from typing import TYPE_CHECKING, Any

import torch

from gradsan.frameworks.torch.fingerprints import fingerprint
from gradsan.frameworks.torch.frames import is_in_apply
from gradsan.frameworks.torch.graph import has_node, producers_of
from gradsan.frameworks.torch.saving import DETACH
from gradsan.frameworks.torch.storages import storage_key
from gradsan.frameworks.torch.suspicion import region_of
from gradsan.model.event import Access
from gradsan.record.frames import Site
from gradsan.record.suspects import Suspect

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit


class HandedOut:
    """Watches the memory of values with history that was handed out."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def note(self, key: int) -> None:
        """Note that the memory of a storage was handed out, by way of an alias of it."""
        alias = self._audit.recorder.suspects.aliases.get(key)
        origin = None if alias is None else alias.origin()
        if isinstance(origin, torch.Tensor) and has_node(origin):
            self._watch(origin)

    def _watch(self, origin: Any) -> None:
        seen = self._seen(origin)
        then = functools.partial(self._differs, weakref.ref(origin), seen)
        self._audit.watch(origin, DETACH(origin), fingerprint(origin, is_full=self._audit.is_full), then=then)

    def _seen(self, origin: Any) -> tuple[int, int]:
        """Return what tells whether a write to a tensor was recorded: its version, and the last order of its log."""
        log = self._audit.recorder.suspects.writes_to(storage_key(origin))
        return origin._version, max((each.order for each in log), default=-1)

    def _differs(self, reference: weakref.ref[Any], seen: tuple[int, int], site: Site | None) -> None:
        origin = reference()
        if origin is None or site is None:
            return
        if self._seen(origin) == seen and not self._is_told(origin):
            self._note_write(origin, site)
        self._watch(origin)

    def _is_told(self, origin: Any) -> bool:
        """Whether others tell of the write: what is kept is compared when it is needed, inputs around a forward."""
        key = storage_key(origin)
        return (key is not None and bool(self._audit.kept_of(key))) or is_in_apply(sys._getframe(2))

    def _note_write(self, origin: Any, site: Site) -> None:
        recorder, storage, region = self._audit.recorder, origin.untyped_storage(), region_of(origin)
        if region is None:
            return
        suspect = Suspect(
            "__setitem__",
            recorder.next_number(),
            recorder.writes.next_order(),
            site.code,
            site.offset,
            access=Access.FOREIGN,
            producers=producers_of(origin),
            region=region,
            whole=region,
            line=site.line,
            is_on_tape=False,
        )
        recorder.suspects.add_write(storage._cdata, storage._weak_ref(), suspect)
