"""What happens to one storage, in the past tense.

A recorded event did happen; an inferred one (from data flow) may happen.  Rules read events and know neither
tensors nor syntax trees, so an event carries everything that a judgement or a label needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NewType, TypeAlias

from gradsan.model.span import Span

StorageId = NewType("StorageId", int)
"""Our own number for a storage; never an address, which is recycled."""

Version = NewType("Version", int)
"""A reading of the version counter that a base, its views and ``detach()`` share."""

SequenceNumber = NewType("SequenceNumber", int)
"""Order in time: the autograd sequence number that was next when the event happened."""


_OPERATORS = {
    "__iadd__": "+=",
    "__isub__": "-=",
    "__imul__": "*=",
    "__itruediv__": "/=",
    "__idiv__": "/=",
    "__ifloordiv__": "//=",
    "__imod__": "%=",
    "__ipow__": "**=",
    "__imatmul__": "@=",
    "__iand__": "&=",
    "__ior__": "|=",
    "__ixor__": "^=",
    "__ilshift__": "<<=",
    "__irshift__": ">>=",
    "__setitem__": "[...] =",
}


def shown_operation(operation: str) -> str:
    """Return an operation as the source spells it: ``+=`` for ``__iadd__``."""
    return _OPERATORS.get(operation.rpartition(".")[2], operation)


class Access(Enum):
    """The route by which a write reached the storage."""

    ITSELF = "itself"
    VIEW = "view"
    """Through a view of the saved tensor or of its base."""
    BASE = "base"
    """Through the base, while a view of it was saved."""
    DETACHED = "detached"
    """Through ``detach()``: the counter is shared, the graph is not."""
    DATA = "data"
    """Through ``.data``, ``set_``, a storage: the counter is not shared."""
    FOREIGN = "foreign"
    """Through NumPy, DLPack or a raw pointer."""


class Writer(Enum):
    """Who wrote."""

    PROGRAM = "program"
    MODULE = "module"
    """A module of the framework, on behalf of the user's line (``nn.ReLU(inplace=True)``)."""
    OPTIMIZER = "optimizer"
    COLLECTIVE = "collective"
    BACKWARD = "backward"
    """A custom ``autograd.Function.backward`` or a hook, while the backward pass ran."""
    FUNCTION = "function"
    """A custom ``autograd.Function.forward``."""


class ViewKind(Enum):
    """How a view was made; the engine refuses writes through some kinds."""

    PLAIN = "plain"
    MULTI_OUTPUT = "multi-output"
    NO_GRAD = "no-grad"
    CUSTOM_FUNCTION = "custom-function"
    MODULE_HOOK = "module-hook"
    EXPANDED = "expanded"
    INFERENCE = "inference"
    """No view, but a tensor made in a mode that the engine does not follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """An operation kept the tensor for its backward."""

    span: Span | None
    operation: str
    """The operation in the user's terms: ``sigmoid``, ``conv2d``, ``AlignmentLoss``."""
    operand: str
    """``result``, or the name of the argument that was saved (``weight``)."""
    version: Version
    sequence: SequenceNumber
    is_view: bool = False
    node: str = ""
    """The autograd node, ``SigmoidBackward0``."""
    is_checked: bool = True
    """Whether the framework compares versions when the value is asked for; saved-tensor hooks switch that off."""
    superseded: bool | None = None
    """Whether the same line ran again after the write, a step: what was saved here is of an earlier iteration; None
    when unknown."""
    again: bool = False
    """Saved once more by the graph of a gradient, which a backward pass made (``create_graph=True``)."""

    def describe(self) -> str:
        """Say it as a label."""
        if not self.operation:
            return "backward will need its value"
        if self.again:
            return f"the gradient of `{self.operation}` saved it again here"
        return f"`{self.operation}` saved {self._what()} here, at version {self.version}"

    def _what(self) -> str:
        match self.operand:
            case "":
                return "this tensor"
            case operand if operand.startswith("result"):
                return "its result"
            case "self" | "input":
                return "its input"
            case name:
                return f"its `{name}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The storage was mutated."""

    span: Span | None
    operation: str
    """``add_``, ``__setitem__``, ``AdamW.step``."""
    version_before: Version
    version: Version
    """After the write; equal to ``version_before`` where the write bypassed the counter."""
    sequence: SequenceNumber
    access: Access = Access.ITSELF
    writer: Writer = Writer.PROGRAM
    grad_enabled: bool = True
    n_times: int = 1
    """How many writes in a row the same place made."""
    n_later: int = 0
    """How many more it made later, other places having written in between."""
    overlaps: bool = True
    """Whether the written bytes meet the saved ones."""
    target: str = ""
    """The written tensor as the source names it, ``self.queue``."""
    given: str | None = None
    """What the write was given, as the source has it: ``1`` in ``h += 1``; None where that isn't known."""
    is_item_of_loop: bool = False
    """A loop's header binds the name of what was written, and nothing reads it on: a new tensor under it is lost."""
    is_lost: bool = False
    """The same of a function's argument."""
    is_borrowed: bool = False
    """The name was bound to an attribute of what goes on holding the tensor: a new one does not come there."""
    is_step: bool = False
    """It reads the gradient of what it writes, as the source has it: ``p -= lr * p.grad``."""
    created: Span | None = None
    """Where the module that wrote was constructed."""
    module: str = ""
    """Path of the module that wrote, ``encoder.block.0``, or its type where it has no path."""
    is_on_tape: bool = True
    """Whether the graph knows of the write."""
    refused: bool = False
    """The framework raised instead: this is the attempt, and nothing was written."""
    called: Span | None = None
    """Where the optimizer's step was called, when the write is a line of an optimizer that the program defines."""
    in_program: Span | None = None
    """The program's own line that led to ``span``, where that lies in an installed package."""
    is_told_by_graph: bool = False
    """Nobody saw it happen: it is known by the node that it made."""
    keeps_history: bool = False
    """It overwrote all that was there, and the node of what it overwrote is still reached from it."""

    @property
    def bumps_version(self) -> bool:
        """Whether the version counter saw the write."""
        return self.version != self.version_before

    def describe(self) -> str:
        """Say it as a label."""
        if self.operation == "mark_dirty":
            return "marked dirty here"
        if self.operation == "detach_":
            return "cut from its graph here, in place"
        if self.refused and not self.operation:
            return "refused here"
        if self.refused:
            return f"`{shown_operation(self.operation)}` was refused here"
        times = f" {self.n_times} times" if self.n_times > 1 else ""
        if not self.bumps_version:
            return f"{self._unseen_way()}{times}, unseen by the version counter"
        if self.writer is Writer.OPTIMIZER:
            return f"updated by `{self.operation}`: version {self.version_before} -> {self.version}"
        if self.is_told_by_graph:
            return "modified here, as the graph tells"
        later = f", {self.n_later} more later" if self.n_later else ""
        return f"{self._way()}{times}: version {self.version_before} -> {self.version}{later}"

    def describe_off_tape(self) -> str:
        """Say it as a label, where what matters is that the graph does not know of it."""
        times = f" {self.n_times} times" if self.n_times > 1 else ""
        if self.access is Access.FOREIGN:
            return f"modified here{times} through memory that was handed out"
        by_route = self.access in (Access.DATA, Access.DETACHED) or self.writer is Writer.COLLECTIVE
        way = self._unseen_way() if by_route or self.grad_enabled else "modified here under `no_grad`"
        return f"{way}{times}, unknown to the graph"

    def _unseen_way(self) -> str:
        match self.writer, self.access:
            case Writer.OPTIMIZER | Writer.COLLECTIVE, _:
                return f"written by `{self.operation}`"
            case _, Access.DATA:
                return "modified here through `.data`"
            case _, Access.DETACHED:
                return "modified here through `detach()`"
            case _:
                return "modified here"

    def _way(self) -> str:
        match self.writer, self.access:
            case Writer.MODULE, _ if "." in self.module:
                return f"modified here by `{self.module}`"
            case Writer.BACKWARD, _:
                return "modified here during backward"
            case _, Access.VIEW:
                return "modified here through a view"
            case _, Access.DETACHED:
                return "modified here through `detach()`"
            case _:
                return "modified here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewed:
    """A view was made."""

    span: Span | None
    operation: str
    kind: ViewKind
    sequence: SequenceNumber

    def describe(self) -> str:
        """Say it as a label."""
        made = f"`{self.operation}`"
        match self.kind:
            case ViewKind.MULTI_OUTPUT:
                return f"{made} returned several views here"
            case ViewKind.NO_GRAD:
                return f"{made} made this view without gradients"
            case ViewKind.CUSTOM_FUNCTION:
                return f"custom Function {made} returned this view"
            case ViewKind.MODULE_HOOK:
                return "a module hook wrapped this tensor"
            case ViewKind.INFERENCE:
                return f"{made} was switched on here"
            case ViewKind.EXPANDED:
                return f"{made} let elements share memory"
            case _:
                return f"{made} made this view"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached:
    """An alias outside the graph was made, or the value was wrapped as a new leaf."""

    span: Span | None
    operation: str
    sequence: SequenceNumber
    cuts: bool = False
    """A value with history went where no history is kept: its gradient ends here."""
    is_sure: bool = True
    """Whether that is surely a mistake: outside of a module's forward it may be meant."""

    def describe(self) -> str:
        """Say it as a label."""
        if self.cuts:
            return "the gradient ends here"
        return f"`{self.operation}` made an alias outside the graph"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """An operation used what an earlier step of training had computed: the graph goes on there."""

    span: Span | None
    """Where it was used."""
    made: Span | None
    """Where it was computed."""
    sequence: SequenceNumber
    n_values: int = 1
    """How many tensors of the earlier step were used there."""
    names: tuple[str, ...] = ()
    """What carries them, as the source names it; empty where it does not tell."""

    def describe(self) -> str:
        """Say it as a label."""
        if len(self.names) == 1:
            return f"`{self.names[0]}` brings the earlier graph along"
        names = f"{', '.join(f'`{name}`' for name in self.names[:-1])} and `{self.names[-1]}` " if self.names else ""
        return f"{names}bring the earlier graph along" if names else "the earlier graph is used here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """The backward pass asked for the value that was saved."""

    span: Span | None
    operation: str
    """The backward formula that asked, ``SigmoidBackward0``."""
    version: Version
    """The version found; the saved one is on the ``Saved`` event."""
    sequence: SequenceNumber
    target: str = ""
    """What was differentiated, as the source names it: ``loss``."""
    stepper: str = ""
    """The optimizer that steps with the gradient afterwards, as the source names it."""
    in_program: Span | None = None
    """The program's own line that led to ``span``, where that lies in an installed package."""
    root_sequence: SequenceNumber | None = None
    """Number of the root of this backward pass: when the loss was computed; None when unknown.  The loss was computed
    after a write where this is not below the write's number: its graph reaches back over the write."""

    def describe(self) -> str:
        """Say it as a label."""
        return "backward needed the saved value here"


class Refusal(Enum):
    """Why the framework raised, by what its error text says."""

    SAVED_OVERWRITTEN = "saved-overwritten"
    LEAF = "leaf"
    LEAF_VIEW = "leaf-view"
    MULTI_OUTPUT_VIEW = "multi-output-view"
    NO_GRAD_VIEW = "no-grad-view"
    CUSTOM_FUNCTION_VIEW = "custom-function-view"
    MODULE_HOOK_VIEW = "module-hook-view"
    INFERENCE_TENSOR = "inference-tensor"
    INFERENCE_SAVED = "inference-saved"
    OVERLAP = "overlap"
    DIRTY_MARK = "dirty-mark"
    SAVED_DETACHED = "saved-detached"
    VIEW_DETACHED = "view-detached"
    OUT_WITH_GRADIENT = "out-with-gradient"
    GRAPH_FREED = "graph-freed"
    CAPTURED = "captured"
    UNMAPPED = "unmapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The framework refused."""

    span: Span | None
    refusal: Refusal
    message: str
    """The first line of the framework's own text."""
    sequence: SequenceNumber

    def describe(self) -> str:
        """Say it as a label."""
        return "raised here"


Event: TypeAlias = Saved | Written | Viewed | Detached | Carried | Needed | Raised
