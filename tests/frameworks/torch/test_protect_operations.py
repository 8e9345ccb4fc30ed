"""Under `protect`, every operation's gradient stays what it was when all that it took, gave and saved is overwritten."""

from __future__ import annotations

import copy
import functools
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

import gradsan  # noqa: E402
from gradsan.frameworks.torch.graph import nodes_of  # noqa: E402
from gradsan.frameworks.torch.regions import parts_of  # noqa: E402
from gradsan.frameworks.torch.saving import kept_of  # noqa: E402

DTYPES = (torch.float64, torch.complex128)
N_SAMPLES = int(os.environ.get("GRADSAN_OPERATION_SAMPLES", "6"))
"""Of each operation and dtype, spread over all that the database has."""

QUICK = {
    *("add", "mul", "pow", "exp", "sigmoid", "matmul", "var", "prod", "cumprod", "index_put", "as_strided", "split"),
    *("linalg.norm", "linalg.svd", "linalg.lu_solve", "nn.functional.layer_norm", "nn.functional.conv2d", "sparse.mm"),
    *("nn.functional.batch_norm", "nn.functional.scaled_dot_product_attention", "nn.functional.embedding", "fft.rfft"),
}


@dataclass(slots=True)
class Tally:
    """What came of the samples."""

    n_operations: int = 0
    n_compared: int = 0
    n_overwritten: int = 0
    n_without_gradient: int = 0
    refused: list[str] = field(default_factory=list)
    """What raises undisturbed, or gives another gradient each time."""
    wrong: list[str] = field(default_factory=list)

    def describe(self) -> str:
        return "\n".join(
            [
                f"{self.n_operations} operations, {self.n_compared} samples compared, {self.n_overwritten} tensors "
                f"overwritten, {self.n_without_gradient} samples without a gradient, {len(self.refused)} refused by "
                f"the engine undisturbed, {len(self.wrong)} wrong",
                *(f"  refused: {each}" for each in self.refused),
                *(f"  WRONG: {each}" for each in self.wrong),
            ]
        )


def database() -> Any:
    from torch.testing._internal.common_methods_invocations import op_db

    return op_db


def samples_of(op: Any, dtype: torch.dtype) -> list[Any]:
    """The same samples at each call."""
    from torch.testing._internal.common_utils import set_rng_seed

    set_rng_seed(0)
    samples = list(op.sample_inputs("cpu", dtype, requires_grad=True))
    return [samples[n] for n in spread(len(samples))]


def fresh(samples: list[Any], n: int, again: Callable[[], list[Any]]) -> Any:
    """One of the samples on memory of its own."""
    try:
        return copy.deepcopy(samples[n])
    except RuntimeError:  # it takes tensors that are no leaves
        return again()[n]


def spread(n: int) -> list[int]:
    return sorted({round(step * (n - 1) / max(N_SAMPLES - 1, 1)) for step in range(N_SAMPLES)}) if n else []


def variants(op: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    yield "", op
    inplace = op.get_inplace()
    if inplace is not None:

        def on_a_copy(input: Any, *args: Any, **kwargs: Any) -> Any:
            return inplace(input.clone(), *args, **kwargs)

        yield "in place", on_a_copy


def tensors(tree: object) -> list[Tensor]:
    return [each for each in tree_leaves(tree) if isinstance(each, Tensor)]


def saved_by(outputs: list[Tensor]) -> Iterator[Tensor]:
    for node in nodes_of(outputs):
        for name in dir(type(node)):
            if not name.startswith("_raw_saved_"):
                continue
            try:
                saved = getattr(node, name)
            except RuntimeError:
                continue
            for each in saved if isinstance(saved, (tuple, list)) else (saved,):
                kept = kept_of(each)
                if kept is not None and kept.tensor is not None:
                    yield kept.tensor


def overwrite(tensor: Tensor) -> int:
    n_written = 0
    for part in parts_of(tensor):
        if part.numel() == 0:
            continue
        # Of a dimension that shows the same memory many times, once is enough.
        sizes = [1 if stride == 0 else size for size, stride in zip(part.shape, part.stride(), strict=True)]
        part = part.as_strided(sizes, part.stride(), part.storage_offset())
        with torch.no_grad():
            if part.dtype == torch.bool:
                part.logical_not_()
            elif part.is_floating_point() or part.is_complex():
                part.add_(1.5)
            else:
                part.zero_()
        n_written += 1
    return n_written


def gradients(
    call: Callable[..., Any], sample: Any, *, overwrites: bool, twice: bool
) -> tuple[list[Tensor | None] | None, int]:
    """Gradients of one sample, None where nothing is differentiable; and how many tensors were overwritten.

    ``twice`` adds the gradients of the gradients.
    """
    taken = tensors((sample.input, sample.args, sample.kwargs))
    ends = [
        each if each.is_leaf else torch.autograd.graph.get_gradient_edge(each) for each in taken if each.requires_grad
    ]
    torch.manual_seed(1)
    result = call(sample.input, *sample.args, **sample.kwargs)
    given = tensors(result)
    roots = [each for each in tensors(sample.output_process_fn_grad(result)) if each.requires_grad]
    if not ends or not roots:
        return None, 0
    first, n_overwritten = differentiate(roots, ends, (*taken, *given), overwrites=overwrites, keeps_graph=twice)
    roots = [each for each in first if each is not None and each.requires_grad]
    if not twice or not roots:
        return first, n_overwritten
    values = [None if each is None else each.detach().clone() for each in first]
    second, n_more = differentiate(roots, ends, (*taken, *given, *roots), overwrites=overwrites, keeps_graph=False)
    return values + second, n_overwritten + n_more


def differentiate(
    roots: list[Tensor], ends: list[Any], reachable: tuple[Tensor, ...], *, overwrites: bool, keeps_graph: bool
) -> tuple[list[Tensor | None], int]:
    torch.manual_seed(2)
    seeds = [torch.randn_like(each) if each.layout is torch.strided else torch.ones_like(each) for each in roots]
    edges = [torch.autograd.graph.get_gradient_edge(each) for each in roots]
    # Aliases of all before any is written: the engine no longer hands out a view of a base that was.
    aliases = [each.detach() for each in (*reachable, *saved_by(roots))] if overwrites else []
    n_overwritten = sum(overwrite(each) for each in aliases)
    return list(torch.autograd.grad(edges, ends, seeds, create_graph=keeps_graph, allow_unused=True)), n_overwritten


def dense(tensor: Tensor) -> Tensor:
    return tensor if tensor.layout is torch.strided else tensor.to_dense()


def same(one: list[Tensor | None], other: list[Tensor | None]) -> bool:
    return all((a is None) == (b is None) and (a is None or is_close(a, b)) for a, b in zip(one, other, strict=True))


def is_close(one: Tensor, other: Tensor) -> bool:
    # Of the whole tensor's scale: a copy can have other strides, so that sums are rounded otherwise.
    one, other = dense(one), dense(other)
    scale = float(one.abs().nan_to_num(0, 0, 0).max()) if one.numel() else 0.0
    return torch.allclose(one, other, rtol=1e-9, atol=1e-9 + 1e-7 * scale, equal_nan=True)


def compare(op: Any, tally: Tally, *, twice: bool) -> None:
    tally.n_operations += 1
    for dtype in DTYPES:
        if dtype not in op.supported_backward_dtypes("cpu") or not op.supports_dtype(dtype, "cpu"):
            continue
        samples = samples_of(op, dtype)
        for variant, call in variants(op):
            name = f"{op.name} {op.variant_test_name} {variant} {dtype}"
            again = functools.partial(samples_of, op, dtype)
            originals = [fresh(samples, n, again) for n in range(len(samples))]
            expected = undisturbed(name, call, originals, tally, twice=twice)
            with gradsan.protect() as protection:
                for n, true in expected.items():
                    compare_sample(f"{name} {n}", call, fresh(samples, n, again), true, tally, twice=twice)
            if protection.not_covered:
                tally.wrong.append(f"{name}: {protection.not_covered}")


def undisturbed(
    name: str, call: Callable[..., Any], samples: list[Any], tally: Tally, *, twice: bool
) -> dict[int, list[Tensor | None]]:
    found = {}
    for n, sample in enumerate(samples):
        if "in place" in name and sample.broadcasts_input:
            continue
        try:
            once, _ = gradients(call, sample, overwrites=False, twice=twice)
            again, _ = gradients(call, sample, overwrites=False, twice=twice)
        except Exception as error:
            tally.refused.append(f"{name} {n}: {told(error)}")
            continue
        if once is None or again is None:
            tally.n_without_gradient += 1
        elif same(once, again):
            found[n] = once
        else:
            tally.refused.append(f"{name} {n}: another gradient each time")
    return found


def compare_sample(
    name: str, call: Callable[..., Any], sample: Any, expected: list[Tensor | None], tally: Tally, *, twice: bool
) -> None:
    tally.n_compared += 1
    try:
        found, n_overwritten = gradients(call, sample, overwrites=True, twice=twice)
    except Exception as error:
        tally.wrong.append(f"{name}: {told(error)}")
        return
    tally.n_overwritten += n_overwritten
    if found is None or not same(found, expected):
        tally.wrong.append(f"{name}: another gradient")


def told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:160]}"


def compared(only: set[str] | None = None, *, twice: bool = False) -> Tally:
    tally = Tally()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for op in database():
            is_asked = op.supports_gradgrad if twice else op.supports_autograd
            if is_asked and (only is None or op.name in only):
                compare(op, tally, twice=twice)
    return tally


@pytest.mark.slow
def test_a_handful_of_operations() -> None:
    tally = compared(QUICK)
    assert not tally.wrong, tally.describe()
    assert tally.n_compared > 200


@pytest.mark.slow
def test_every_operation(capsys: pytest.CaptureFixture[str]) -> None:
    tally = compared()
    with capsys.disabled():
        print("\nonce: " + tally.describe())
    assert not tally.wrong, tally.describe()
    assert tally.n_operations > 500


@pytest.mark.slow
def test_every_operation_differentiated_twice(capsys: pytest.CaptureFixture[str]) -> None:
    tally = compared(twice=True)
    with capsys.disabled():
        print("\ntwice: " + tally.describe())
    assert not tally.wrong, tally.describe()
    assert tally.n_operations > 450
