"""Under `protect` a program's gradients are those of what it computed, although saved tensors are overwritten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import gradsan  # noqa: E402

Program = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Case:
    """A program that overwrites what it saved, and one that computes the same and doesn't."""

    broken: Program
    right: Program
    n_bytes: int


def table() -> Tensor:
    return torch.arange(12.0, dtype=torch.float64).view(4, 3)


def square() -> Tensor:
    return torch.arange(9.0, dtype=torch.float64).view(3, 3).requires_grad_()


def result(a: Tensor) -> Tensor:
    h = a.exp()
    h.add_(1)
    return h.sum()


def itself(a: Tensor) -> Tensor:
    h = a * 2
    h.mul_(h)
    return h.sum()


def operand_without_history(a: Tensor) -> Tensor:
    b = table()
    b.addcmul_(b, a)
    return b.sum()


def list_times_itself(a: Tensor) -> Tensor:
    both = [a * 2, a * 3]
    torch._foreach_mul_(both, both)
    return both[0].sum() + both[1].sum()


def tail_times(a: Tensor) -> Tensor:
    return (a[1:] * table()[1:]).sum()


def offset_view(a: Tensor) -> Tensor:
    b = table()
    loss = (a[1:] * b[1:]).sum()
    b.zero_()
    return loss


def beside(a: Tensor) -> Tensor:
    b = table()
    loss = (a[1:] * b[1:]).sum()
    b[0].zero_()
    return loss


def beside_and_over(a: Tensor) -> Tensor:
    b = table()
    loss = (a[1:] * b[1:]).sum()
    b[0].zero_()
    b[3].zero_()
    return loss


def through_data(a: Tensor) -> Tensor:
    b = table()
    loss = (a[1:] * b[1:]).sum()
    b.data.zero_()
    return loss


def data_replaced(a: Tensor) -> Tensor:
    b = table()
    loss = (a[1:] * b[1:]).sum()
    b.data = torch.zeros_like(b)
    return loss


def storage_filled(a: Tensor) -> Tensor:
    b = table()
    loss = (a[1:] * b[1:]).sum()
    b.untyped_storage().fill_(0)
    return loss


def shared_with_others(a: Tensor) -> Tensor:
    b = table()
    loss = (a[1:] * b[1:]).sum()
    b.share_memory_().data.zero_()
    return loss


def set_to_another(a: Tensor) -> Tensor:
    b = table()
    loss = (a[1:] * b[1:]).sum()
    b.set_(torch.zeros(4, 3, dtype=torch.float64))
    return loss


def out_of_many(a: Tensor) -> Tensor:
    b, indices = table(), torch.empty(4, 3, dtype=torch.int64)
    loss = (a[1:] * b[1:]).sum()
    torch.sort(torch.zeros_like(b), out=(b, indices))
    return loss


def numpy_afterwards(a: Tensor) -> Tensor:
    b = table()
    loss = (a[1:] * b[1:]).sum()
    b.numpy()[:] = 0
    return loss


def numpy_before(a: Tensor) -> Tensor:
    b = table()
    array = b.numpy()
    loss = (a[1:] * b[1:]).sum()
    array[:] = 0
    return loss


def numpy_owns(a: Tensor) -> Tensor:
    array = np.arange(12.0).reshape(4, 3)
    loss = (a[1:] * torch.from_numpy(array)[1:]).sum()
    array[:] = 0
    return loss


def stepped(a: Tensor) -> Tensor:
    w = square()
    loss = (a @ w).sum()
    w.grad = torch.ones_like(w)
    torch.optim.AdamW([w], lr=0.1, fused=True).step()
    return loss


def matrix(a: Tensor) -> Tensor:
    return (a @ square()).sum()


def recomputed(a: Tensor) -> Tensor:
    w = square()
    h = checkpoint(lambda x: (x @ w).sin(), a, use_reentrant=False)
    w.data.zero_()
    return h.sum()


def recomputed_reentrant(a: Tensor) -> Tensor:
    w = square()
    h = checkpoint(lambda x: (x @ w).sin(), a, use_reentrant=True)
    w.data.zero_()
    return h.sum()


def sine(a: Tensor) -> Tensor:
    return (a @ square()).sin().sum()


def offloaded(a: Tensor) -> Tensor:
    h = a.exp()
    with torch.autograd.graph.save_on_cpu():
        y = h.sin()
    h.add_(1)
    return y.sum()


def hooked(a: Tensor) -> Tensor:
    h = a.exp()
    y = h.sin()
    y.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t)
    h.add_(1)
    return y.sum()


def halved_by_hooks(a: Tensor) -> Tensor:
    h = a.exp()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t / 2):
        y = h.sin()
    h.add_(1)
    return y.sum()


def halved(a: Tensor) -> Tensor:
    h = a.exp()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t / 2):
        return h.sin().sum()


def statistics(a: Tensor) -> Tensor:
    norm = torch.nn.BatchNorm1d(3).double().eval()
    y = norm(a).pow(2)
    norm.train()
    norm(a.detach())
    return y.sum()


def statistics_kept(a: Tensor) -> Tensor:
    return torch.nn.BatchNorm1d(3).double().eval()(a).pow(2).sum()


def twice(a: Tensor) -> Tensor:
    h = a.exp()
    (gradient,) = torch.autograd.grad((h * h).sum(), a, create_graph=True)
    h.add_(1)
    return gradient.sum()


def twice_kept(a: Tensor) -> Tensor:
    h = a.exp()
    return torch.autograd.grad((h * h).sum(), a, create_graph=True)[0].sum()


CASES = {
    "result": Case(result, lambda a: (a.exp() + 1).sum(), 96),
    "itself": Case(itself, lambda a: ((a * 2) * (a * 2)).sum(), 96),
    "operand without history": Case(operand_without_history, lambda a: (table() + table() * a).sum(), 96),
    "list times itself": Case(list_times_itself, lambda a: ((a * 2) ** 2 + (a * 3) ** 2).sum(), 192),
    "view with an offset": Case(offset_view, tail_times, 72),
    "nothing overlaps": Case(beside, tail_times, 0),
    "one write beside, one over": Case(beside_and_over, tail_times, 72),
    "data": Case(through_data, tail_times, 72),
    "data replaced": Case(data_replaced, tail_times, 0),
    "storage filled": Case(storage_filled, tail_times, 72),
    "shared with others": Case(shared_with_others, tail_times, 72),
    "set_": Case(set_to_another, tail_times, 0),
    "several results in out=": Case(out_of_many, tail_times, 72),
    "numpy() after the save": Case(numpy_afterwards, tail_times, 72),
    "numpy() before the save": Case(numpy_before, tail_times, 72),
    "from_numpy": Case(numpy_owns, tail_times, 72),
    "fused step": Case(stepped, matrix, 72),
    "checkpoint": Case(recomputed, sine, 72),
    "reentrant checkpoint": Case(recomputed_reentrant, sine, 72),
    "save_on_cpu": Case(offloaded, lambda a: a.exp().sin().sum(), 96),
    "register_hooks": Case(hooked, lambda a: a.exp().sin().sum(), 96),
    "hooks that compute": Case(halved_by_hooks, halved, 96),
    "batch norm": Case(statistics, statistics_kept, 48),
    "double backward": Case(twice, twice_kept, 96),
}


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_true(name: str) -> None:
    case = CASES[name]
    a = torch.linspace(0.1, 1.2, 12, dtype=torch.float64).view(4, 3).requires_grad_()
    (expected,) = torch.autograd.grad(case.right(a), a)
    with gradsan.protect() as protection:
        (gradient,) = torch.autograd.grad(case.broken(a), a)
    assert torch.allclose(gradient, expected, rtol=1e-14, atol=0)
    assert protection.n_bytes == case.n_bytes
    assert protection.not_covered == ()


def test_tells_the_line_that_was_about_to_write() -> None:
    a = torch.ones(4, dtype=torch.float64, requires_grad=True)
    with gradsan.protect() as protection:
        h = a.exp()
        for _ in range(3):
            loss = (h * h).sum()
            h = h.detach().requires_grad_()
            with torch.no_grad():
                h.add_(1)
        loss.backward()
    (copied,) = protection.copies
    assert copied.operation == "add_"
    assert copied.span is not None
    assert copied.span.function.endswith("test_tells_the_line_that_was_about_to_write")
    assert "copied before `add_`" in copied.describe()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without distributed")
def test_collectives_are_guarded() -> None:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        a, b = table().requires_grad_(), table()
        with gradsan.protect() as protection:
            loss = (a * b).sum()
            torch.distributed.all_reduce(b)
            b.data.zero_()
            loss.backward()
        assert a.grad is not None
        assert torch.equal(a.grad, table())
        assert [(copied.operation, copied.n_bytes) for copied in protection.copies] == [("all_reduce", 96)]
    finally:
        torch.distributed.destroy_process_group()


def test_sparse_rows_are_looked_at() -> None:
    a = torch.eye(3, dtype=torch.float64).to_sparse_csr().requires_grad_()
    b = square()
    with gradsan.protect() as protection:
        loss = torch.sparse.mm(a, b, "sum").sum()
        b.data.zero_()
        gradient, _ = torch.autograd.grad(loss, (a, b))
    assert torch.equal(gradient.values(), torch.tensor([3.0, 12.0, 21.0], dtype=torch.float64))
    assert protection.not_covered == ()


def test_a_graph_that_is_gone_costs_nothing() -> None:
    model, x = torch.nn.Linear(3, 3), torch.ones(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradsan.protect() as protection:
        for _ in range(3):
            optimizer.zero_grad()
            model(x).pow(2).sum().backward()
            optimizer.step()
    assert protection.copies == ()


def test_retained_graph_gives_the_same_gradient_twice() -> None:
    a = torch.ones(3, dtype=torch.float64, requires_grad=True)
    with gradsan.protect():
        h = a.exp()
        loss = (h * h).sum()
        (first,) = torch.autograd.grad(loss, a, retain_graph=True)
        with torch.no_grad():
            h.zero_()
        (second,) = torch.autograd.grad(loss, a)
    assert torch.equal(first, second)


def test_refusals_stay() -> None:
    leaf = torch.ones(3, requires_grad=True)
    with gradsan.protect(), pytest.raises(RuntimeError, match="leaf Variable"):
        leaf.add_(1)


def test_functional_transforms_still_work() -> None:
    a = torch.ones(3)
    with gradsan.protect():
        gradient = torch.func.grad(lambda x: x.sin().sum())(a)
    assert torch.equal(gradient, a.cos())


def test_everything_is_put_back() -> None:
    engine = torch._C._autograd
    before = engine._push_saved_tensors_default_hooks, torch.Tensor.numpy, torch.batch_norm
    with gradsan.protect():
        pass
    assert engine._top_saved_tensors_default_hooks(False) is None
    assert (engine._push_saved_tensors_default_hooks, torch.Tensor.numpy, torch.batch_norm) == before


def test_ends_inside_hooks_of_the_program() -> None:
    a = torch.ones(3, requires_grad=True)
    protection = gradsan.protect()
    protection.__enter__()
    hooks = torch.autograd.graph.save_on_cpu()
    hooks.__enter__()
    protection.__exit__(None, None, None)
    a.exp().sum().backward()
    hooks.__exit__()
    assert torch._C._autograd._top_saved_tensors_default_hooks(False) is None


def test_what_a_transform_saves_is_said_not_to_be_protected() -> None:
    with gradsan.protect() as protection:
        torch.func.grad(lambda a: a.sin().sum())(torch.ones(3))
    assert any("torch.func" in sentence for sentence in protection.not_covered)
    with gradsan.protect() as protection:
        square().sin().sum().backward()
    assert protection.not_covered == ()


def test_threads_that_begin_under_protection_are_protected() -> None:
    a, losses = square(), []
    with gradsan.protect():
        thread = threading.Thread(target=lambda: losses.append(result(a)))
        thread.start()
        thread.join()
        losses[0].backward()
    assert torch.equal(a.grad, a.detach().exp())
