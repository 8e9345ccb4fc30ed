"""What a hook of a tensor reads beside its gradient: whether it is still that of the call that registered the hook.

# NOTE [Hooks of one call] ``out.register_hook(lambda grad: grad * self.mask)`` reads the mask when backward runs.  A
second call, before the backward of the first, has filled or replaced it by then.  Only tensors with a node count: their
hooks are registered anew at each call, while what the hook of a parameter reads may well be kept up to date.  And only
what the function that registers the hook writes or assigns itself, which has ended by then: what others write, or what
it writes before it runs the backward itself, is theirs to order.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any

from gradsan.frameworks.torch.audit_function_states import State, attribute_of, is_object, state_of
from gradsan.frameworks.torch.captured import instructions_of
from gradsan.frameworks.torch.contexts import tensor_of
from gradsan.frameworks.torch.frames import is_running
from gradsan.frameworks.torch.graph import has_node
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.regions import key_of
from gradsan.frameworks.torch.silent_history import needed_at
from gradsan.model.event import Written
from gradsan.model.history import History, Witness
from gradsan.record.frames import Site, current_site

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

_ASSIGNS = frozenset({"STORE_ATTR", "STORE_DEREF", "STORE_GLOBAL"})


class HookStates:
    """Compares what hooks read when they are registered and when they run."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def of(self, tensor: Any, hook: Callable[..., Any]) -> Callable[[], None] | None:
        """Return what is to be called before a hook that is being registered runs; None where nothing has to be."""
        registrar = self._audit.recorder.user_code.innermost(sys._getframe(1))
        if registrar is None or registrar.f_code.co_name == "<module>":
            return None
        if not isinstance(hook, FunctionType) or not has_node(tensor):
            return None
        states = list(self._read_by(hook, registrar))
        return (lambda: self._look(states, registrar.f_code)) if states else None

    def _read_by(self, hook: FunctionType, registrar: FrameType) -> Iterator[State]:
        assigned, is_full = _assigned_in(registrar.f_code), self._audit.is_full
        for name in hook.__code__.co_names:
            yield from state_of(hook.__globals__, name, name, assigned.get(name), is_full=is_full)
        for name, cell in zip(hook.__code__.co_freevars, hook.__closure__ or (), strict=False):
            yield from state_of(cell, "cell_contents", name, assigned.get(name), is_full=is_full)
            held = attribute_of(cell, "cell_contents")
            for attribute in hook.__code__.co_names if is_object(held) else ():
                path = f"{name}.{attribute}"
                yield from state_of(held, attribute, path, assigned.get(attribute), is_full=is_full)

    def _look(self, states: list[State], registrar: CodeType) -> None:
        with self._audit.recorder.border():
            if is_running(registrar, sys._getframe(1)):
                return
            for state in states:
                if not state.differs(is_full=self._audit.is_full):
                    continue
                tensor = tensor_of(state.now)
                written = self._assigned(state) if state.is_replaced else self._last_write(state, tensor, registrar)
                if written is not None and tensor is not None:
                    self._tell(state, tensor, written)

    def _assigned(self, state: State) -> Written | None:
        return None if state.site is None else self._audit.written(state.site, f"{state.path.rpartition('.')[2]} =")

    def _last_write(self, state: State, tensor: Any, registrar: CodeType) -> Written | None:
        key = key_of(tensor)
        log = None if key is None else self._audit.recorder.writes.find(key)
        runs = [] if log is None else [run for run in log.runs if run.last_after > state.version]
        sites = [run.site for run in runs if run.site is not None and run.site.code is registrar]
        return self._audit.written(sites[-1]) if sites else None

    def _tell(self, state: State, tensor: Any, written: Written) -> None:
        recorder = self._audit.recorder
        needed = needed_at(recorder, current_site(recorder.user_code), "hook")
        subject = subject_of(tensor, name=state.path)
        self._audit.tell(History(subject=subject, events=(written, needed), witness=Witness.HOOK_STATE))


@lru_cache(maxsize=256)
def _assigned_in(code: CodeType) -> dict[str, Site]:
    """Return the attributes and the variables of closures that a function assigns, and where."""
    return {name: Site(code, -1, line) for operation, name, line in instructions_of(code) if operation in _ASSIGNS}
