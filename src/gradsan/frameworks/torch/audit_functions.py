"""Custom Functions and tensor hooks: what they keep, write and overwrite without saying so.

# NOTE [Shared gradients] The engine hands one buffer to several consumers of a sum.  Overwriting it harms only while
somebody else holds it, which its use count tells: one for our own handle in a custom backward, two in a tensor hook,
one in a module's backward hook (what its results received), three in one that runs before the module's backward.
Source: checked on torch 2.13.0.

# NOTE [Returned and kept] A custom backward may return a tensor that the program keeps and fills anew at the next call.
The engine holds what was returned until it is used; whether it does tells the tensor's use count.  What Python alone
holds counts as one.  A view of it that the engine makes is not followed.

# NOTE [Hooks of nodes] Hooks of graph nodes, and of several tensors at once, can't be wrapped.  A recorded write in a
backward pass to what a hook was given, and more than it and the engine hold, is compared after its line instead.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import BackwardCFunction

from gradsan.frameworks.torch.audit_adopted import Adopted, AdoptedGradients
from gradsan.frameworks.torch.audit_function_states import FunctionStates
from gradsan.frameworks.torch.audit_hook_states import HookStates
from gradsan.frameworks.torch.audit_saved_inputs import SavedInputs
from gradsan.frameworks.torch.audit_taken import TakenGradients
from gradsan.frameworks.torch.contexts import Calls, beginning_of, held_on, is_buffer, names, owners_on, tensor_of
from gradsan.frameworks.torch.doors import Patches
from gradsan.frameworks.torch.fingerprints import fingerprint
from gradsan.frameworks.torch.marked import Marked, first_write_since
from gradsan.frameworks.torch.modules import subject_of
from gradsan.frameworks.torch.regions import key_of
from gradsan.frameworks.torch.use_counts import ALONE, is_held_elsewhere, n_references
from gradsan.frameworks.torch.waiting import IN_HOOK, given_to
from gradsan.model.event import Event, Needed, Saved, SequenceNumber, Version, Writer, Written
from gradsan.model.history import History, Witness
from gradsan.record.frames import Site, current_site, span_of

if TYPE_CHECKING:
    from gradsan.frameworks.torch.audit import Audit

_IN_BACKWARD_USE_COUNT = 1
_IN_HOOK_USE_COUNT = 2
_IN_MODULE_HOOKS_USE_COUNT = {"register_full_backward_hook": 1, "register_full_backward_pre_hook": 3}
_HELD_BY_PYTHON = 1
_CALM_FORWARDS = 8
"""So many forwards of a Function that leave its inputs alone; the later ones are not followed line by line."""
_ZERO = Version(0)


class FunctionAudit:
    """Compares around the code of custom Functions and hooks."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._guarded: list[tuple[Marked, CodeType]] = []
        """Gradients that a hook is about to write, and the hook; see NOTE [Hooks of nodes]."""
        self._returned: list[tuple[Marked, str]] = []
        """What custom backwards of this pass returned and the program keeps; see NOTE [Returned and kept]."""
        self._taken, self._adopted = TakenGradients(audit), AdoptedGradients(audit)
        self._saved = SavedInputs(audit, self._is_users)
        self._states, self._hooks = FunctionStates(audit), HookStates(audit)
        self._n_calm: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        """For each Function, its forwards since one that wrote to an input unseen."""
        self._on_context: weakref.WeakKeyDictionary[Any, list[Marked]] = weakref.WeakKeyDictionary()

    def wrap(self, patches: Patches) -> None:
        """Wrap ``Function.apply``, custom backwards and tensor hooks.

        Effect: until the patches are restored.
        """
        original = torch.autograd.Function.__dict__["apply"].__func__
        patches.set(torch.autograd.Function, "apply", classmethod(self._applying(original)))
        patches.set(BackwardCFunction, "apply", self._going_back(BackwardCFunction.apply))
        self._saved.wrap(patches)
        patches.set(torch.Tensor, "register_hook", self._hooking(torch.Tensor.register_hook))
        for name, own in _IN_MODULE_HOOKS_USE_COUNT.items():
            patches.set(torch.nn.Module, name, self._hooking_module(getattr(torch.nn.Module, name), own))
        engine: Any = torch.autograd
        patches.set(engine, "_engine_run_backward", self._running(engine._engine_run_backward))
        self._audit.recorder.add_guard(self._guard)

    def unwrap(self) -> None:
        """Undo the guard."""
        self._audit.recorder.remove_guard(self._guard)

    def _guard(self, tensor: Any, _operation: str) -> None:
        recorder = self._audit.recorder
        if not recorder.running or recorder.is_quiet() or type(tensor) is not torch.Tensor or tensor.requires_grad:
            return
        if not is_held_elsewhere(tensor, IN_HOOK):
            return
        with recorder.border():
            given = given_to(tensor, sys._getframe(1), recorder.user_code)
            for marked in self._mark({"gradient": tensor}) if given is not None else ():
                assert given is not None
                self._audit.watch(marked, tensor, marked.mark)
                self._guarded.append((marked, given[0]))

    def _running(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def run_backward(*args: Any, **kwargs: Any) -> Any:
            if self._taken:
                with self._audit.recorder.border():
                    self._look_at_taken()
            try:
                return original(*args, **kwargs)
            finally:
                if self._guarded or self._returned or self._taken:
                    with self._audit.recorder.border():
                        self._after_hooks()

        return run_backward

    def _after_hooks(self) -> None:
        for marked, code in self._guarded:
            site = self._audit.line_of(marked)
            self._audit.unwatch(marked)
            if site is not None and site.code is code:
                self._tell(Witness.GRADIENT, code.co_name, marked, self._audit.written(site))
        self._guarded.clear()
        for marked, _ in self._returned:
            self._audit.unwatch(marked)
        self._returned.clear()
        self._taken.after_pass()

    def _look_at_taken(self) -> None:
        """Tell of gradients in memory of the program that it has filled anew."""
        self._audit.look()
        for taken in self._taken.overwritten():
            marked = Marked("gradient", taken.tensor, taken.mark)
            self._tell(Witness.RETURNED_GRADIENT, taken.name, marked, self._audit.written(self._audit.line_of(taken)))
        self._taken.refresh()

    def _applying(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling() or not self._is_users(cls):
                return original(cls, *args, **kwargs)
            inputs = self._mark({f"input {n}": each for n, each in enumerate(args)})
            if self._n_calm.get(cls, 0) < _CALM_FORWARDS:
                for marked in inputs:
                    self._audit.watch(marked, marked.tensor, marked.mark)
            result = original(cls, *args, **kwargs)
            with self._audit.recorder.border():
                self._after_forward(cls, inputs, result)
            return result

        return apply

    def _after_forward(self, cls: Any, inputs: list[Marked], result: Any) -> None:
        self._audit.look()
        self._n_calm[cls] = self._n_calm.get(cls, 0) + 1
        for marked in inputs:
            self._audit.unwatch(marked)
            if marked.version == marked.tensor._version and self._differs(marked):
                self._n_calm[cls] = 0
                site = self._audit.line_of(marked) or beginning_of(cls.forward)
                self._tell(Witness.FUNCTION_INPUT, cls.__name__, marked, self._audit.written(site))
        outputs = result if isinstance(result, tuple) else (result,)
        nodes: set[Any] = {each.grad_fn for each in outputs if isinstance(each, torch.Tensor) and each.requires_grad}
        nodes.discard(None)
        for node in nodes:
            if not isinstance(node, BackwardCFunction):  # a view that the function wrote: its own node lies below
                continue
            for marked in self._saved.overwritten(node, inputs):
                written = self._write_since(marked) or self._audit.written(beginning_of(cls.forward))
                self._tell(Witness.FUNCTION_INPUT, cls.__name__, marked, written)
            if node not in self._on_context:
                self._states.note(node, cls)
                found = self._mark(held_on(node))
                if found:
                    self._on_context[node] = found
                    if any(is_buffer(each.name, each.tensor) for each in found):
                        self._audit.recorder.has_eval_statistics = True  # so that a norm's writes are noted
                    for marked in found:
                        if self._audit.is_to_watch(marked.tensor):
                            self._audit.watch(marked, marked.tensor, marked.mark)

    def _going_back(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def apply(node: Any, *gradients: Any) -> Any:
            cls = getattr(node, "_forward_cls", None)
            if cls is None or torch.compiler.is_compiling() or not self._is_users(cls):
                return original(node, *gradients)
            doubtful: list[tuple[Marked, Calls]] = []
            adopted: list[tuple[Adopted, Marked]] = []
            with self._audit.recorder.border():
                doubtful = self._before_backward(node, cls)
                adopted = self._adopted.before()
            shared = self._shared(gradients, _IN_BACKWARD_USE_COUNT)
            waiting = self._waiting(gradients) if self._returned else []
            try:
                result = original(node, *gradients)
            finally:
                called = [marked for marked, calls in doubtful if calls.end()]
            with self._audit.recorder.border():
                for marked in called:
                    self._tell_context(node, cls, marked)
                self._after_gradients(cls.__name__, shared, beginning_of(cls.backward))
                self._after_returning(waiting, beginning_of(cls.backward))
                self._note_returned(cls.__name__, result, gradients)
                if self._taken:
                    self._look_at_taken()
                self._taken.note(node, result, cls.__name__)
                for name, marked in self._adopted.overwritten(adopted, result):
                    written = self._write_since(marked) or self._audit.written(beginning_of(cls.backward))
                    self._tell(Witness.RETURNED_GRADIENT, name, marked, written)
                self._adopted.note(node, result, cls.__name__)
            return result

        return apply

    def _waiting(self, gradients: tuple[Any, ...]) -> list[tuple[Marked, str]]:
        """Return what was returned before and the engine still holds, beside what it hands on now."""
        given = {id(each) for each in gradients}
        held = (each for each in self._returned if is_held_elsewhere(each[0].tensor, _HELD_BY_PYTHON))
        return [each for each in held if id(each[0].tensor) not in given]

    def _after_returning(self, waiting: list[tuple[Marked, str]], begins: Site | None) -> None:
        """Tell of what was returned before and is other than it was, although the engine held it; see the note."""
        for marked, name in waiting:
            if self._differs(marked):
                written = self._write_since(marked) or self._audit.written(self._audit.line_of(marked) or begins)
                self._tell(Witness.RETURNED_GRADIENT, name, marked, written)

    def _note_returned(self, name: str, result: Any, gradients: tuple[Any, ...]) -> None:
        for marked, _ in self._returned:
            self._audit.unwatch(marked)
        self._returned = [each for each in self._returned if not self._differs(each[0])]  # else used, or told
        returned, own = (result, 0) if isinstance(result, tuple) else ((result,), 2)
        known = {id(each) for each in (*gradients, *(marked.tensor for marked, _ in self._returned))}
        # By number: a name, or what `enumerate` keeps for its next pair, would be one more reference.
        for n in range(len(returned)):
            is_new = isinstance(returned[n], torch.Tensor) and id(returned[n]) not in known
            if is_new and n_references(returned, n) > ALONE + own:
                self._returned += [(marked, name) for marked in self._mark({"gradient": returned[n]})]
        for marked, _ in self._returned:
            self._audit.watch(marked, marked.tensor, marked.mark)

    def _before_backward(self, node: Any, cls: Any) -> list[tuple[Marked, Calls]]:
        """Tell of what was overwritten; return the parameters of which only a call of their module would tell."""
        self._audit.look()
        for marked, written in self._states.overwritten(node):
            self._tell_context(node, cls, marked, written)
        marks = self._on_context.get(node, ())
        held = held_on(node, in_any_mode=True) if marks else {}
        differing = [each for each in marks if held.get(each.name) is each.held and self._differs(each)]
        owners = owners_on(node) if differing else {}
        backward, doubtful = getattr(cls.backward, "__code__", None), []
        for marked in differing:
            if marked.name not in owners or names(backward, marked.name):
                self._tell_context(node, cls, marked)
            else:
                of_buffer = is_buffer(marked.name, marked.tensor)
                doubtful.append((marked, Calls(owners[marked.name], of_buffer=of_buffer)))
        return doubtful

    def _tell_context(self, node: Any, cls: Any, marked: Marked, written: Written | None = None) -> None:
        number = int(node._sequence_nr())
        written = written or self._write_since(marked) or self._last_step(marked, number)
        written = written or self._audit.written(self._audit.line_of(marked) or self._last_unseen(marked, number))
        self._tell(Witness.CONTEXT, cls.__name__, marked, written, number=number)

    def _last_unseen(self, marked: Marked, number: int) -> Site | None:
        """Return where the counter did not see the last write after a node was made: statistics of a norm."""
        suspects = self._audit.recorder.suspects.writes_to(key_of(marked.tensor))
        later = [each for each in suspects if each.number > number]
        return later[-1].site if later else None

    def _last_step(self, marked: Marked, number: int) -> Written | None:
        """Return the last optimizer step that wrote a parameter after a node was made."""
        recorder, key = self._audit.recorder, key_of(marked.tensor)
        steps = [] if key is None else [run for run in recorder.steps.writes_to(key) if run.last_number > number]
        last = max(steps, key=lambda run: run.last_order, default=None)
        if last is None:
            return None
        return Written(
            span=span_of(last.site),
            operation=last.operation,
            version_before=Version(marked.version),
            version=Version(marked.tensor._version),
            sequence=SequenceNumber(last.last_number),
            writer=Writer.OPTIMIZER,
        )

    def _hooking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def register_hook(tensor: Any, hook: Callable[..., Any]) -> Any:
            code = getattr(hook, "__code__", None)
            if code is None or not self._audit.recorder.user_code(code) or torch.compiler.is_compiling():
                return original(tensor, hook)

            before = self._hooks.of(tensor, hook)

            @functools.wraps(hook)
            def audited(gradient: Any) -> Any:
                if before is not None:
                    before()
                shared = self._shared((gradient,), _IN_HOOK_USE_COUNT)
                result = hook(gradient)
                with self._audit.recorder.border():
                    self._after_gradients(getattr(hook, "__name__", "hook"), shared, beginning_of(hook))
                return result

            return original(tensor, audited)

        return register_hook

    def _hooking_module(self, original: Callable[..., Any], own: int) -> Callable[..., Any]:
        @functools.wraps(original)
        def register(module: Any, hook: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            code = getattr(hook, "__code__", None)
            if code is None or not self._audit.recorder.user_code(code) or torch.compiler.is_compiling():
                return original(module, hook, *args, **kwargs)

            @functools.wraps(hook)
            def audited(owner: Any, *gradients: Any) -> Any:
                results = gradients[-1] if isinstance(gradients[-1], tuple) else ()
                shared = self._shared(results, own)
                answer = hook(owner, *gradients)
                with self._audit.recorder.border():
                    self._after_gradients(getattr(hook, "__name__", "hook"), shared, beginning_of(hook))
                return answer

            return original(module, audited, *args, **kwargs)

        return register

    def _shared(self, gradients: tuple[Any, ...], own: int) -> list[Marked]:
        found: list[Marked] = []
        with self._audit.recorder.border():
            # Our own loops hold references to the handle, not to what it stands for: these are not counted.
            shared = {f"gradient {n}": each for n, each in enumerate(gradients) if is_held_elsewhere(each, own)}
            found = self._mark(shared)
            for marked in found:
                self._audit.watch(marked, marked.tensor, marked.mark)
        return found

    def _after_gradients(self, name: str, shared: list[Marked], begins: Site | None) -> None:
        self._audit.look()
        for marked in shared:
            self._audit.unwatch(marked)
            if self._differs(marked):
                site = self._audit.line_of(marked) or begins
                written = self._write_since(marked) or self._audit.written(site)
                self._tell(Witness.GRADIENT, name, marked, written)

    def _write_since(self, marked: Marked) -> Written | None:
        return first_write_since(self._audit.recorder.writes, marked)

    def _tell(self, witness: Witness, name: str, marked: Marked, written: Written, *, number: int = -1) -> None:
        recorder, tensor = self._audit.recorder, marked.tensor
        kept_as = marked.name if marked.name.startswith(f"{name}.") else f"ctx.{marked.name}"
        events: list[Event] = []
        if witness is Witness.CONTEXT:
            saved_at = recorder.site_of(number)
            events.append(
                Saved(
                    span=span_of(saved_at),
                    operation=name,
                    operand=kept_as,
                    version=_ZERO,
                    sequence=SequenceNumber(number),
                    is_checked=False,
                )
            )
        now, here = SequenceNumber(recorder.next_number()), current_site(recorder.user_code)
        events.append(written)
        if witness is not Witness.FUNCTION_INPUT:
            span = span_of(here)
            events.append(Needed(span=span, operation=name, version=_ZERO, sequence=now))
        subject = subject_of(tensor, name=kept_as if witness is Witness.CONTEXT else "")
        self._audit.tell(History(subject=subject, events=tuple(events), witness=witness, notes=(f"in `{name}`",)))

    def _mark(self, values: dict[str, Any]) -> list[Marked]:
        found = []
        for name, value in values.items():
            tensor = tensor_of(value)
            mark = None if tensor is None else fingerprint(tensor, is_full=self._audit.is_full)
            if mark is not None:
                found.append(Marked(name, tensor, mark, value))
        return found

    def _differs(self, marked: Marked) -> bool:
        return marked.differs(is_full=self._audit.is_full)

    def _is_users(self, cls: Any) -> bool:
        code = getattr(getattr(cls, "forward", None), "__code__", None)
        return code is not None and self._audit.recorder.user_code(code)
