"""Which writes a fingerprint sees, by layout and size."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from gradsan.frameworks.torch.fingerprints import WHOLE_BYTES, fingerprint, same  # noqa: E402

pytestmark = pytest.mark.torch

LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "whole": lambda base: base,
    "transposed": lambda base: base.T,
    "every_second_row": lambda base: base[::2],
    "columns": lambda base: base[:, 3:7],
    "offset": lambda base: base.flatten()[5:],
    "expanded": lambda base: base[0].expand(4, -1),
    "overlapping": lambda base: base.flatten().unfold(0, 6, 2),
    "diagonal": lambda base: base.diagonal(),
}
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.complex64, torch.int64, torch.bool)


def _base(n_rows: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.arange(n_rows * 16).reshape(n_rows, 16).to(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("is_full", [False, True])
def test_sees_a_write_to_any_element_of_a_small_tensor(layout: str, dtype: torch.dtype, is_full: bool) -> None:
    tensor = LAYOUTS[layout](_base(8, dtype))
    before = fingerprint(tensor, is_full=is_full)
    assert before is not None
    for index in torch.cartesian_prod(*(torch.arange(size) for size in tensor.shape)).reshape(-1, tensor.dim()):
        old = tensor[tuple(index)].clone()
        tensor[tuple(index)] = old == 0
        assert same(fingerprint(tensor, is_full=is_full), before) == bool(tensor[tuple(index)] == old)
        tensor[tuple(index)] = old
    assert same(fingerprint(tensor, is_full=is_full), before)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sees_a_write_to_all_of_a_large_tensor(layout: str) -> None:
    tensor = LAYOUTS[layout](_base(4 * WHOLE_BYTES // 16))
    before = fingerprint(tensor)
    tensor.data = tensor.clone().add_(1)
    assert not same(fingerprint(tensor), before)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_is_blind_to_what_lies_beside_a_small_tensor(layout: str) -> None:
    base = _base(8)
    tensor = LAYOUTS[layout](base)
    is_inside = torch.zeros_like(base)
    LAYOUTS[layout](is_inside).fill_(1)
    before = fingerprint(tensor)
    base[is_inside == 0] += 1
    assert same(fingerprint(tensor), before)


@pytest.mark.parametrize("tensor", [torch.empty(0), torch.empty(3, 0).T, torch.empty(2, device="meta")], ids=str)
def test_has_nothing_to_say_of_tensors_without_memory(tensor: Tensor) -> None:
    assert fingerprint(tensor) is None
    assert fingerprint(tensor, is_full=True) is None


def test_has_nothing_to_say_of_a_freed_storage() -> None:
    tensor = torch.ones(4)
    tensor.untyped_storage().resize_(0)
    assert fingerprint(tensor) is None
