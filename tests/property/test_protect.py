"""Under `protect`, the gradients of random programs equal finite differences, and their values are their own."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

hypothesis = pytest.importorskip("hypothesis")
torch = pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import gradsan  # noqa: E402

pytestmark = pytest.mark.torch

N_EXAMPLES = int(os.environ.get("GRADSAN_EXAMPLES", "25"))
STEP = 1e-5
TOLERANCE = 1e-6
ENDS = ((-0.8, 0.9), (0.7, -0.5))

# A program writes only what finite differences see as the tape does: on the tape; by a constant that is added, off the
# tape; or with `POISON`, once nothing reads the memory any more.
POISON = math.nan


def numbers(like: Tensor, start: float = 0.3) -> Tensor:
    """Constants of a tensor's shape, none of them the same."""
    return torch.linspace(start, start + 1, max(like.numel(), 1), dtype=torch.float64)[: like.numel()].view(like.shape)


VIEWS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda t: t[1:],
    lambda t: t[0],
    lambda t: t[-1:],
    lambda t: t[..., ::2],
    lambda t: t.mT,
    lambda t: t.view(-1),
    lambda t: t.reshape(-1),
    lambda t: t.diagonal(),
    lambda t: t.unsqueeze(0),
    lambda t: t.squeeze(),
    lambda t: t.narrow(-1, 1, 1),
    lambda t: t.unfold(-1, 2, 2),
    lambda t: t.expand(2, *t.shape),
    lambda t: t.view_as(t),
    lambda t: t.split(1)[0],
    lambda t: t.unbind(0)[-1],
    lambda t: t.as_strided(t.shape[-1:], t.stride()[-1:]),
)


class Doubled(torch.autograd.Function):
    """Keeps its input and its result."""

    @staticmethod
    def forward(ctx: Any, t: Tensor) -> Tensor:
        result = t.sin() * 2
        ctx.save_for_backward(t, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        t, result = ctx.saved_tensors
        return gradient * (2 * t.cos() + 0 * result)


def offloaded(t: Tensor) -> Tensor:
    with torch.autograd.graph.save_on_cpu():
        return t.sin() * t


def hooked(t: Tensor) -> Tensor:
    with torch.autograd.graph.saved_tensors_hooks(lambda each: each, lambda each: each):
        return t.exp() * t


MAPS: tuple[Callable[[Tensor], Tensor], ...] = (
    torch.sin,
    torch.tanh,
    torch.sigmoid,
    torch.square,
    lambda t: t.tanh().exp(),
    lambda t: t * t,
    lambda t: t.softmax(-1),
    lambda t: t.cumsum(-1).cos(),
    lambda t: t.cumprod(-1),
    lambda t: t.prod(),
    lambda t: t.logsumexp(-1),
    lambda t: F.layer_norm(t, t.shape[-1:], eps=0.5),
    lambda t: F.silu(t),
    lambda t: t @ t.mT,
    lambda t: torch.cat([t, t.cos()], -1),
    lambda t: 1 / (1 + t.square()),
    lambda t: F.dropout(t, 0.3).sin(),
    Doubled.apply,
    offloaded,
    hooked,
    lambda t: checkpoint(lambda each: each.sin() * each, t, use_reentrant=False),
    lambda t: checkpoint(lambda each: each.sigmoid() * each, t, use_reentrant=True),
    torch.clone,
)

PAIRS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    torch.add,
    torch.mul,
    torch.sub,
    lambda t, o: t / (2 + o.sin()),
    lambda t, o: torch.lerp(t, o, 0.3),
    lambda t, o: torch.addcmul(t, t, o),
    lambda t, o: torch.where(numbers(t) > 0.8, t, o),
    lambda t, o: F.mse_loss(t, o, reduction="none"),
    lambda t, o: t @ o.mT,
    lambda t, o: torch.stack([t, o]).sin(),
)


def assign(t: Tensor, o: Tensor) -> None:
    t[-1] = o[0]


def assign_masked(t: Tensor, o: Tensor) -> None:
    t[numbers(t) > 0.8] = 0.25


def augment(t: Tensor, o: Tensor) -> None:
    t *= o


WRITES: tuple[Callable[[Tensor, Tensor], object], ...] = (
    lambda t, o: t.add_(o),
    lambda t, o: t.mul_(o),
    lambda t, o: t.mul_(t),
    lambda t, o: t.div_(2 + o.sin()),
    lambda t, o: t.copy_(o),
    lambda t, o: t.addcmul_(t, o),
    lambda t, o: t.lerp_(o, 0.4),
    lambda t, o: t.sin_(),
    lambda t, o: t.tanh_(),
    lambda t, o: t.sigmoid_(),
    lambda t, o: t.square_(),
    lambda t, o: t.cumsum_(0),
    lambda t, o: t.zero_(),
    lambda t, o: t.fill_(0.5),
    lambda t, o: t.masked_fill_(numbers(t) > 0.8, 0.1),
    lambda t, o: t.index_add_(0, torch.tensor([0, 0]), torch.stack([o[0], o[-1]])),
    lambda t, o: t.index_copy_(0, torch.tensor([0]), o[:1]),
    lambda t, o: F.silu(t, inplace=True),
    lambda t, o: F.dropout(t, 0.3, inplace=True),
    lambda t, o: t[..., 0].mul_(2),
    lambda t, o: t[1:].copy_(t[:-1].clone()),
    lambda t, o: t.transpose_(0, -1),
    lambda t, o: t.view(-1)[1:].mul_(o.reshape(-1)[1:]),
    lambda t, o: torch.sin_(t),
    lambda t, o: torch._foreach_mul_([t], [o]),
    assign,
    assign_masked,
    augment,
)


def add_without_grad(t: Tensor) -> None:
    with torch.no_grad():
        t.add_(numbers(t))


def swap_data(t: Tensor) -> None:
    t.data = t.data + 0.7


def add_in_numpy(t: Tensor) -> None:
    array = t.detach().numpy()
    array += 0.3


SHIFTS: tuple[Callable[[Tensor], object], ...] = (
    add_without_grad,
    add_in_numpy,
    lambda t: t.data.add_(numbers(t)),
    lambda t: t.data.sub_(0.2),
    lambda t: t.detach().add_(0.4),
    lambda t: t.data.view(-1)[1:].add_(0.6),
    lambda t: torch._foreach_add_([t.data], 0.1),
    lambda t: torch.from_dlpack(t.detach()).add_(0.2),
)
"""Off the tape; a derivative stays as it is when a constant is added."""


def poison_without_grad(t: Tensor) -> None:
    with torch.no_grad():
        t.fill_(POISON)


def poison_in_numpy(t: Tensor) -> None:
    t.detach().numpy().fill(POISON)


def poison_through_out(t: Tensor) -> None:
    with torch.no_grad():
        torch.mul(torch.full_like(t, POISON), 2, out=t)


def poison_in_inference(t: Tensor) -> None:
    with torch.inference_mode():
        t.detach().fill_(POISON)


POISONS: tuple[Callable[[Tensor], object], ...] = (
    poison_without_grad,
    poison_in_numpy,
    poison_through_out,
    poison_in_inference,
    lambda t: t.data.fill_(POISON),
    lambda t: t.detach().fill_(POISON),
    lambda t: t.fill_(POISON),
    lambda t: t.untyped_storage().fill_(255),
    lambda t: t.data.set_(torch.full_like(t, POISON)),
    lambda t: torch._foreach_mul_([t.data], POISON),
    lambda t: torch.from_dlpack(t.detach()).fill_(POISON),
    lambda t: t.data.copy_(torch.full_like(t, POISON)),
)

OPTIMIZERS: tuple[Callable[[list[Tensor]], Any], ...] = (
    lambda leaves: torch.optim.SGD(leaves, lr=0.1),
    lambda leaves: torch.optim.SGD(leaves, lr=0.1, momentum=0.9, foreach=False),
    lambda leaves: torch.optim.Adam(leaves, lr=0.1, foreach=True),
    lambda leaves: torch.optim.Adam(leaves, lr=0.1, fused=True),
    lambda leaves: torch.optim.RMSprop(leaves, lr=0.1),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction; the numbers choose an operation and its operands."""

    verb: str
    what: int
    one: int
    two: int
    body: tuple[Line, ...] = ()
    otherwise: tuple[Line, ...] = ()


@dataclass(slots=True)
class Machine:
    """Runs the lines of a program; what a tensor refuses is skipped."""

    leaves: list[Tensor]
    pool: list[Tensor] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    optimizers: dict[int, Any] = field(default_factory=dict)

    def run(self, lines: tuple[Line, ...]) -> Tensor:
        self.pool = [*self.leaves, self.leaves[0] * 1.0, numbers(self.leaves[0])]
        self.perform(lines)
        return torch.stack([total for each in self.pool if (total := self.read(each)) is not None]).sum()

    def read(self, tensor: Tensor) -> Tensor | None:
        try:
            return (numbers(tensor, 0.5) * tensor).sum()
        except RuntimeError:  # one of several views of a base that was written
            self.refused.append("read")
            return None

    def perform(self, lines: tuple[Line, ...]) -> None:
        for line in lines:
            try:
                self.line(line)
            except (RuntimeError, IndexError, ValueError, TypeError, BufferError) as error:
                self.refused.append(f"{line.verb} {line.what}: {type(error).__name__}")

    def line(self, line: Line) -> None:
        one, two = self.at(line.one), self.at(line.two)
        match line.verb:
            case "view":
                self.pool.append(pick(VIEWS, line.what)(one))
            case "map":
                self.pool.append(pick(MAPS, line.what)(one))
            case "pair":
                self.pool.append(pick(PAIRS, line.what)(one, fitted(two, one)))
            case "write":
                pick(WRITES, line.what)(one, fitted(two, one))
            case "shift":
                pick(SHIFTS, line.what)(one)
            case "poison":
                self.poison(one, pick(POISONS, line.what))
            case "step":
                self.step(line.what)
            case "branch":
                self.perform(line.body if float(one.detach().sum()) > 0.1 else line.otherwise)
            case "loop":
                for _ in range(1 + line.what % 3):
                    self.perform(line.body)

    def at(self, n: int) -> Tensor:
        return self.pool[n % len(self.pool)]

    def poison(self, tensor: Tensor, channel: Callable[[Tensor], object]) -> None:
        key = tensor.untyped_storage()._cdata
        left = [each for each in self.pool if each.untyped_storage()._cdata != key]
        if len(left) < 2 or any(each.untyped_storage()._cdata == key for each in self.leaves):
            return
        self.pool = left
        channel(tensor)

    def step(self, what: int) -> None:
        optimizer = self.optimizers.get(what % len(OPTIMIZERS))
        if optimizer is None:
            optimizer = self.optimizers[what % len(OPTIMIZERS)] = pick(OPTIMIZERS, what)(self.leaves)
        for leaf in self.leaves:
            leaf.grad = numbers(leaf)
        optimizer.step()


def pick(choices: tuple[Any, ...], n: int) -> Any:
    return choices[n % len(choices)]


def fitted(tensor: Tensor, like: Tensor) -> Tensor:
    """The tensor, or its mean where its shape does not fit."""
    return tensor if tensor.shape == like.shape else tensor.mean()


def leaves() -> list[Tensor]:
    # Cloned: of a leaf that is a view itself, the engine loses the gradient of views once their base is written.
    return [torch.linspace(*ends, 6, dtype=torch.float64).view(2, 3).clone().requires_grad_() for ends in ENDS]


def moved(directions: list[Tensor], step: float) -> list[Tensor]:
    return [
        (leaf.detach() + step * direction).requires_grad_()
        for leaf, direction in zip(leaves(), directions, strict=True)
    ]


def value(program: tuple[Line, ...], start: list[Tensor]) -> tuple[Tensor, Machine]:
    torch.manual_seed(0)
    machine = Machine(start)
    return machine.run(program), machine


def direction() -> list[Tensor]:
    """One says enough: a wrong gradient is orthogonal to it by chance only."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(leaf.shape, dtype=torch.float64, generator=generator) for leaf in leaves()]


def difference(program: tuple[Line, ...], along: list[Tensor]) -> float:
    ahead, behind = (float(value(program, moved(along, step))[0]) for step in (STEP, -STEP))
    return (ahead - behind) / (2 * STEP)


VERBS = ("view", "view", "map", "map", "pair", "write", "write", "write", "shift", "poison", "poison", "step")
small = st.integers(0, 40)
plain_line = st.builds(Line, st.sampled_from(VERBS), small, small, small)
bodies = st.lists(plain_line, min_size=1, max_size=5).map(tuple)
line = st.one_of(
    plain_line,
    plain_line,
    plain_line,
    st.builds(Line, st.just("branch"), small, small, small, bodies, bodies),
    st.builds(Line, st.just("loop"), small, small, small, bodies),
)
programs = st.lists(line, min_size=2, max_size=16).map(tuple)


settled = settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def test_gradients_of_random_programs_are_true() -> None:
    with gradsan.protect() as protection:
        compare_with_differences()
    assert protection.not_covered == ()


@settled
@given(programs)
def compare_with_differences(program: tuple[Line, ...]) -> None:
    start = leaves()
    result, _ = value(program, start)
    hypothesis.assume(math.isfinite(float(result)) and abs(float(result)) < 1e4 and result.requires_grad)
    try:
        gradients = torch.autograd.grad(result, start, allow_unused=True, materialize_grads=True)
    except RuntimeError as error:  # a write to a view that shows the same memory many times can't be differentiated
        hypothesis.assume("single memory location" not in str(error))
        raise
    expected = difference(program, direction())
    found = sum(float((g * d).sum()) for g, d in zip(gradients, direction(), strict=True))
    assert abs(found - expected) <= TOLERANCE * (1 + abs(expected) + abs(float(result)))


@settings(settled, max_examples=max(N_EXAMPLES // 10, 1))
@given(programs)
def test_values_of_random_programs_are_their_own(program: tuple[Line, ...]) -> None:
    plain, unprotected = value(program, leaves())
    with gradsan.protect():
        protected, machine = value(program, leaves())
    assert machine.refused == unprotected.refused
    assert torch.equal(protected, plain) or not plain.isfinite()
