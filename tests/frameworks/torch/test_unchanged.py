"""Nothing changes under `watch`: every differentiable operation of torch's own database, bare and watched.

Each sample of each operation is tried in five ways: out of place, in place, through ``out=``, and with its input or
its result overwritten before backward (which torch refuses where the tensor was saved).  Results and gradients must be
the same bits, errors the same type and text.  An operation that differs from itself without gradsan is told apart by
further bare runs.
"""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's operation database needs expecttest")

from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402
from torch.utils import _pytree as pytree  # noqa: E402

import gradsan  # noqa: E402

N_SAMPLES = 8
"""How many samples of an operation are tried: the first ones, which differ in kind; later ones repeat shapes."""

N_QUICK_SAMPLES = 2
"""As many in the tests that run every time."""

N_BARE_RUNS = 30
"""How often an operation that differed is run again without gradsan."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as bits; ``bits`` is empty where a layout has no dense copy."""

    shape: tuple[int, ...]
    dtype: str
    requires_grad: bool
    grad_fn: str
    version: int
    bits: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    type_name: str
    text: str


Outcome = list[object]


def frozen(value: object) -> object:
    """Turn a result into something that compares by bits."""
    if not isinstance(value, torch.Tensor):
        return repr(value)
    with torch.no_grad():
        dense = value.detach()
        dense = dense.to_dense() if dense.layout is not torch.strided else dense
        dense = dense.resolve_conj().resolve_neg().contiguous()
        bits = dense.view(-1).view(torch.uint8).numpy().tobytes() if dense.numel() else b""
    grad_fn = type(value.grad_fn).__name__ if value.grad_fn is not None else ""
    version = -1 if value.is_inference() else value._version
    return Tensor(tuple(value.shape), str(value.dtype), value.requires_grad, grad_fn, version, bits)


def copied(value: object) -> Any:
    """Copy tensors, as leaves or (for the write to be allowed) as results of an operation that saves nothing."""

    def copy(leaf: object) -> object:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return leaf.detach().clone().requires_grad_(leaf.requires_grad)

    return pytree.tree_map(copy, value)


def leaves_of(*values: object) -> list[Any]:
    flat = pytree.tree_leaves(values)
    return [leaf for leaf in flat if isinstance(leaf, torch.Tensor) and leaf.requires_grad]


def through_no_op(value: object) -> Any:
    """Make each leaf's stand-in an intermediate tensor, through a node that saves nothing."""

    def pass_on(leaf: object) -> object:
        is_leaf = isinstance(leaf, torch.Tensor) and leaf.requires_grad
        return leaf.clone() if is_leaf else leaf

    return pytree.tree_map(pass_on, value)


def differentiate(result: object, leaves: list[Any]) -> Outcome:
    """Run backward from every differentiable result, with gradients from the generator."""
    roots = [root for root in leaves_of(result) if root.grad_fn is not None]
    if not roots:
        return []
    seeds = [torch.randn_like(root) for root in roots]
    return [frozen(g) for g in torch.autograd.grad(roots, leaves, seeds, allow_unused=True)]


# The database holds the functions themselves, as they were when it was imported; a program looks them up by name each
# time, and so finds what `watch` put there.
SPACES = (torch.Tensor, torch, torch.nn.functional, torch.linalg, torch.fft, torch.special, torch.sparse, torch._VF)
NAMES = {id(value): (space, name) for space in SPACES for name, value in vars(space).items() if callable(value)}
NAMES |= {id(getattr(torch.Tensor, name)): (torch.Tensor, name) for name in dir(torch.Tensor) if name.endswith("_")}


def call(function: Any, arguments: tuple[Any, Any, Any], **more: Any) -> Any:
    """Call what a program finds now under the name of a function; a method through its tensor."""
    first, rest, keywords = arguments
    space, name = NAMES.get(id(function), (None, ""))
    if space is torch.Tensor and isinstance(first, torch.Tensor):
        return getattr(first, name)(*rest, **keywords, **more)
    return (function if space is None else getattr(space, name))(first, *rest, **keywords, **more)


Trial = Callable[[Any, Any], Outcome]


def out_of_place(op: Any, sample: Any) -> Outcome:
    arguments = copied((sample.input, sample.args, sample.kwargs))
    result = call(op.op, arguments)
    told = [frozen(leaf) for leaf in pytree.tree_leaves(result)]
    return [*told, *differentiate(result, leaves_of(arguments))]


def in_place(op: Any, sample: Any) -> Outcome:
    arguments = copied((sample.input, sample.args, sample.kwargs))
    used = through_no_op(arguments[0])
    result = call(op.inplace_variant, (used, *arguments[1:]))
    told = [frozen(leaf) for leaf in pytree.tree_leaves((result, used))]
    return [*told, *differentiate(result, leaves_of(arguments))]


def in_place_on_leaf(op: Any, sample: Any) -> Outcome:
    arguments = copied((sample.input, sample.args, sample.kwargs))
    result = call(op.inplace_variant, arguments)
    return [frozen(leaf) for leaf in pytree.tree_leaves(result)]


def into_out(op: Any, sample: Any) -> Outcome:
    with torch.no_grad():
        arguments = copied((sample.input, sample.args, sample.kwargs))
        result = call(op.op, arguments)
        out = pytree.tree_map_only(torch.Tensor, torch.empty_like, result)
        written = call(op.op, arguments, out=out)
    return [frozen(leaf) for leaf in pytree.tree_leaves(written)]


def input_overwritten(op: Any, sample: Any) -> Outcome:
    arguments = copied((sample.input, sample.args, sample.kwargs))
    used = through_no_op(arguments)
    result = call(op.op, used)
    for tensor in leaves_of(used):
        tensor.mul_(2)
    return differentiate(result, leaves_of(arguments))


def result_overwritten(op: Any, sample: Any) -> Outcome:
    arguments = copied((sample.input, sample.args, sample.kwargs))
    used = through_no_op(arguments)
    result = call(op.op, used)
    for tensor in leaves_of(result):
        tensor += 1
    return differentiate(result, leaves_of(arguments))


def trials_of(op: Any) -> dict[str, Trial]:
    found: dict[str, Trial] = {"out of place": out_of_place}
    if op.inplace_variant is not None:
        found |= {"in place": in_place, "in place on a leaf": in_place_on_leaf}
    if op.supports_out:
        found["out="] = into_out
    return found | {"input overwritten": input_overwritten, "result overwritten": result_overwritten}


def attempt(trial: Trial, op: Any, sample: Any) -> Outcome | Failure:
    """Run one trial from a fixed seed; an exception is an outcome too."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return trial(op, sample)
    except Exception as error:
        return Failure(type(error).__name__, str(error))


def dtype_of(op: Any) -> Any:
    supported = op.supported_backward_dtypes("cpu")
    return next((dtype for dtype in (torch.float32, torch.complex64, torch.float64) if dtype in supported), None)


def varies(trial: Trial, op: Any, sample: Any, outcome: Outcome | Failure) -> bool:
    """Say whether an operation differs from itself: ``linalg.lstsq`` rounds by where in memory its inputs lie."""
    held = []
    for n in range(N_BARE_RUNS):
        held.append(torch.empty(n + 1))
        if attempt(trial, op, sample) != outcome:
            return True
    return False


Watching = Callable[[], contextlib.AbstractContextManager[object]]


def differences(op: Any, watching: Watching, *, n_samples: int) -> list[str]:
    """Return what differs between bare and watched, one line each."""
    found = []
    torch.manual_seed(0)
    samples = list(islice(op.sample_inputs("cpu", dtype_of(op), requires_grad=True), n_samples))
    for name, trial in trials_of(op).items():
        bare = [attempt(trial, op, sample) for sample in samples]
        with watching():
            watched = [attempt(trial, op, sample) for sample in samples]
        for n, (one, other) in enumerate(zip(bare, watched, strict=True)):
            if one != other and not varies(trial, op, samples[n], one):
                found.append(f"{op.formatted_name}, {name}, sample {n}: bare {one!r:.500}, watched {other!r:.500}")
    return found


OPS = [op for op in op_db if op.supports_autograd and dtype_of(op) is not None]

# One of each kind that the recorder treats differently: saves its input, its result, both, nothing; views; indexed
# writes; modules with state; random ones; foreach; sparse; complex.
QUICK = [
    "add",
    "mul",
    "div",
    "exp",
    "sigmoid",
    "tanh",
    "pow",
    "sqrt",
    "clamp",
    "where",
    "index_put",
    "index_add",
    "index_copy",
    "index_fill",
    "masked_fill",
    "scatter",
    "scatter_add",
    "view",
    "transpose",
    "expand",
    "unbind",
    "split",
    "narrow",
    "as_strided",
    "diagonal",
    "select",
    "nn.functional.relu",
    "nn.functional.dropout",
    "nn.functional.batch_norm",
    "nn.functional.linear",
    "nn.functional.conv2d",
    "nn.functional.layer_norm",
    "nn.functional.embedding",
    "nn.functional.softplus",
    "matmul",
    "addmm",
    "cumsum",
    "cumprod",
    "fill",
    "zero_",
    "copysign",
    "lerp",
    "addcmul",
    "addcdiv",
    "real",
    "view_as_real",
    "sparse.mm",
    "to",
    "normal",
    "bernoulli",
]
QUICK_OPS = [op for op in OPS if op.name in QUICK]


def check(op: Any, n_samples: int) -> None:
    found = differences(op, gradsan.watch, n_samples=n_samples)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("op", QUICK_OPS, ids=lambda op: op.formatted_name)
def test_nothing_changes(op: Any) -> None:
    check(op, N_QUICK_SAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.formatted_name)
def test_nothing_changes_in_the_whole_database(op: Any) -> None:
    check(op, N_SAMPLES)


def test_the_database_was_walked() -> None:
    assert len(OPS) > 400
    assert len(QUICK_OPS) >= 40


def test_a_difference_is_seen() -> None:
    """The judge isn't blind: a context that changes results, the generator or an error is reported."""

    @contextlib.contextmanager
    def meddling() -> Iterator[None]:
        original = torch.Tensor.mul_
        torch.Tensor.mul_ = lambda self, other: original(self, other + 1)
        try:
            yield
        finally:
            torch.Tensor.mul_ = original

    op = next(op for op in OPS if op.name == "mul")
    assert differences(op, contextlib.nullcontext, n_samples=2) == []
    assert differences(op, meddling, n_samples=2)
