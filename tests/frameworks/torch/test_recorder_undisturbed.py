"""A program does under the recorder exactly what it does without: results, errors, calls seen, lifetimes, randomness."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import io
import pickle
import random
import traceback
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

import gradsan  # noqa: E402
from gradsan import frameworks  # noqa: E402

Program = Callable[[], Any]


def outcome(program: Program) -> Any:
    """What a program returns or raises, as plain data, and where it leaves the random numbers."""
    torch.manual_seed(0)
    random.seed(0)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            result = plain(program())
        except Exception as error:
            result = (type(error), str(error), [entry.name for entry in traceback.extract_tb(error.__traceback__)])
            result = (*result[:2], [name for name in result[2] if name not in OURS])
    state = torch.random.get_rng_state().sum().item()
    return result, state, random.random(), [(str(each.message), each.filename, each.lineno) for each in warned]


OURS = {
    "run_backward",
    "write",
    "mark",
    "new",
    "detach",
    "batch_norm",
    "construct",
    "init",
    "leave",
    "enter",
    "go_to_engine",
}


def plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        if value.is_meta:
            return (tuple(value.shape), value.dtype)
        with torch._C.DisableTorchFunction():
            value = value.detach()
            return (value.to_dense() if value.layout is not torch.strided else value).tolist()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def needs(*shape: int) -> Any:
    return torch.linspace(0.5, 2, max(1, torch.Size(shape).numel())).reshape(shape).requires_grad_()


def stale() -> Any:
    y = needs(3).exp()
    y.add_(1)
    return y.sum()


def raised(program: Program) -> str:
    try:
        program()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def views_that_refuse() -> list[Any]:
    base = needs(4) * 1
    [first, *_] = base.split(2)
    with torch.no_grad():
        part = base[:2]
    base.mul_(2)
    return [first, part]


# The autograd engine's ways ----------------------------------------------------------------------------------------


def double_backward() -> Any:
    x = needs(3)
    y = x.clone().mul_(2).pow(3)
    [g] = torch.autograd.grad(y.sum(), x, create_graph=True)
    g.mul_(2)
    g.sum().backward()
    return x.grad


def retained_graph() -> Any:
    x = needs(3)
    loss = x.exp().mul_(2).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    return x.grad, raised(loss.backward)


def unused_input() -> Any:
    x, y = needs(3), needs(3)
    return torch.autograd.grad(x.clone().add_(1).sum(), [x, y], allow_unused=True)[0], raised(
        lambda: torch.autograd.grad(x.exp().sum(), [y])
    )


def errors_of_other_kinds() -> Any:
    x = needs(3)
    return [
        raised(lambda: x.exp().backward()),
        raised(lambda: torch.ones(2).sum().backward()),
        raised(lambda: x.clone().add_(torch.ones(2))),
        raised(lambda: x.clone().add_("a")),
        raised(lambda: x.clone().add_()),
        raised(lambda: torch.relu_()),
        raised(lambda: torch.relu_(3)),
        raised(lambda: torch._foreach_add_([], 1)),
        raised(lambda: x.clone().__setitem__(7, 1)),
        raised(lambda: x.no_such_method_()),
        raised(lambda: torch.ones(3, dtype=torch.int).add_(0.5)),
        raised(lambda: torch.autograd.backward([x.sum()], [torch.ones(2)])),
    ]


def hooks() -> Any:
    seen: list[Any] = []
    net = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 1))
    net[0].register_full_backward_hook(lambda module, into, out: seen.append(plain(out)))
    net[2].register_full_backward_pre_hook(lambda module, out: (out[0].clone().mul_(2),))
    net.register_forward_hook(lambda module, args, out: out.clone().add_(1))
    x = needs(2, 3)
    x.register_hook(lambda g: g.clone().mul_(3))
    net[0].weight.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(2))
    net(x).sum().backward()
    return seen, x.grad, net[0].weight.grad


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(x: Any, factor: float) -> Any:
        return x.clone().mul_(factor)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.factor = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        assert ctx.saved_tensors
        return grad.clone().mul_(ctx.factor), None


class Dirty(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 2


def custom_functions() -> Any:
    x = needs(3)
    Dirty.apply(Scaled.apply(x, 3.0).clone()).sum().backward()
    return x.grad, raised(lambda: Dirty.apply(x)), raised(lambda: Dirty.apply(1))


def scaler_and_autocast() -> Any:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for n in range(3):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = net(torch.ones(4, 3)).square().mean() / (n + 1)
        scaler.scale(loss).backward()
        if n % 2 == 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    return list(net.parameters())


def optimizers() -> Any:
    results = []
    for kind, options in [
        (torch.optim.SGD, {"momentum": 0.9}),
        (torch.optim.Adam, {"foreach": True}),
        (torch.optim.AdamW, {"fused": True}),
        (torch.optim.RMSprop, {}),
        (torch.optim.LBFGS, {}),
    ]:
        p = nn.Parameter(torch.ones(3))
        optimizer = kind([p], lr=0.1, **options)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            return loss

        for _ in range(2):
            optimizer.step(closure)
        results.append(p)
    return results


# Kinds of tensors --------------------------------------------------------------------------------------------------


def sparse() -> Any:
    x = torch.eye(3).to_sparse().requires_grad_()
    y = (x * 2).coalesce()
    y.mul_(2)
    z = torch.eye(3).to_sparse_csr().mul_(2)
    embedding = nn.Embedding(4, 2, sparse=True)
    embedding(torch.tensor([1, 1])).sum().backward()
    optimizer = torch.optim.SparseAdam(list(embedding.parameters()))
    optimizer.step()
    return y, z, torch.eye(3).to_sparse().zero_(), raised(lambda: x.add_(1)), embedding.weight


def without_views() -> Any:
    x = torch.ones(3).to_mkldnn().requires_grad_()
    csr = torch.eye(3).to_sparse_csr().requires_grad_()
    dense = x.to_dense()
    loss = (dense**2).sum() + torch.mm(csr, torch.ones(3, 1)).sum()
    dense.data.mul_(2)
    return torch.autograd.grad(loss, (x, csr))


def complex_numbers() -> Any:
    x = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    y = x.clone().mul_(1j)
    torch.view_as_real(y)[0].add_(1)
    y.conj().real.sum().backward()
    return y, x.grad, x.detach().clone().conj().mul_(2), x.detach().clone().real.add_(1)


def quantised() -> Any:
    x = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8)
    x[0] = 0.5
    return x.dequantize(), raised(lambda: x.add_(1)), torch.relu_(x).dequantize()


def meta() -> Any:
    x = torch.ones(3, device="meta", requires_grad=True)
    y = x.exp()
    y.add_(1)
    return y, raised(lambda: y.sum().backward())


def nested() -> Any:
    x = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged, requires_grad=True)
    y = (x * 2).relu_() if hasattr(x, "relu_") else x
    rows = torch.nested.nested_tensor([torch.ones(1, 2), torch.ones(3, 2)], requires_grad=True)
    halved = rows * 0.5
    padded = torch.nested.to_padded_tensor(halved * halved, 0.0)
    halved.mul_(2)
    return [each.tolist() for each in y.detach().unbind()], raised(lambda: y.add_(1)), raised(padded.sum().backward)


def masked() -> Any:
    x = torch.masked.masked_tensor(torch.ones(3), torch.tensor([True, False, True]))
    return x.add_(1).get_data().tolist(), raised(lambda: x.zero_())


def inference() -> Any:
    with torch.inference_mode():
        x = torch.ones(3)
        x.add_(1)
        x[0] = 0
    return x, raised(lambda: x.mul_(2)), raised(lambda: needs(3) * x)


def lazy_and_odd_shapes() -> Any:
    net = nn.Sequential(nn.LazyLinear(2), nn.ReLU(inplace=True))
    empty = torch.zeros(0).add_(1)
    zero = torch.tensor(1.0).mul_(2)
    strided = torch.zeros(4, 4)[::2, ::2].add_(1)
    return net(torch.ones(1, 3)), empty, zero, strided, torch.zeros(2).expand(3, 2).clone().add_(1)


# Subclasses and modes ----------------------------------------------------------------------------------------------


def everything(x: Any) -> None:
    """In-place calls in every spelling."""
    y = x.add_(1)
    y += 1
    y[0] = 1
    y.detach()
    y.data
    y.data = torch.ones(3)
    torch.relu_(y)
    nn.functional.relu(y, inplace=True)
    nn.functional.dropout(y, 0.0, inplace=True)
    y.zero_()
    torch.exp(y, out=y)
    torch._foreach_add_([y], 1)
    torch.nn.init.normal_(y)


def subclass() -> Any:
    log: list[Any] = []
    table = {getattr(torch.Tensor, name): name for name in ("add_", "mul_", "zero_", "__setitem__", "detach")}

    class Logged(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            log.append((table.get(func), getattr(func, "__name__", ""), func is torch.Tensor.add_, len(args)))
            return super().__torch_function__(func, types, args, kwargs or {})

    everything(torch.ones(3).as_subclass(Logged))
    return log


def wrapper_subclass() -> Any:
    log: list[str] = []

    class Wrapped(torch.Tensor):
        @staticmethod
        def __new__(cls, inner: Any) -> Any:
            return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

        def __init__(self, inner: Any) -> None:
            self.inner = inner

        @classmethod
        def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            log.append(str(func))
            args = [each.inner if isinstance(each, Wrapped) else each for each in args]
            result = func(*args, **(kwargs or {}))
            return cls(result) if isinstance(result, torch.Tensor) else result

    x = Wrapped(torch.ones(3))
    x.add_(1)
    x.mul(2).relu_()
    x[0] = 3
    return log, x.inner


def overriding_subclass() -> Any:
    calls = []

    class Counting(torch.Tensor):
        def add_(self, other: Any) -> Any:
            calls.append(other)
            return super().add_(other)

    x = torch.ones(2).as_subclass(Counting)
    x.add_(1)
    return calls, x.as_subclass(torch.Tensor)


def function_mode() -> Any:
    log: list[Any] = []

    class Mode(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            log.append((getattr(func, "__name__", ""), len(args), sorted(kwargs or {})))
            return func(*args, **(kwargs or {}))

    with Mode():
        everything(torch.ones(3))
        y = needs(3).exp()
        with torch.no_grad():
            y.clone().add_(1)
        log.append(raised(lambda: (y.add_(1), y.sum().backward())))
    return log


def dispatch_mode() -> Any:
    log: list[str] = []

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            log.append(str(func))
            return func(*args, **(kwargs or {}))

    with Mode():
        everything(torch.ones(3))
        y = needs(3).exp()
        log.append(raised(lambda: (y.add_(1), y.sum().backward())))
        p = nn.Parameter(torch.ones(2))
        (p * 2).sum().backward()
        torch.optim.SGD([p], lr=0.1).step()
    return log


def duck() -> Any:
    """No tensor, but taken for one."""
    log: list[str] = []

    class Duck:
        def __getattr__(self, name: str) -> Any:
            log.append(name)
            raise AttributeError(name)

        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            log.append(func.__name__)
            return 7

    return torch.relu_(Duck()), torch.exp(Duck()), log


# torch.func and fakes ----------------------------------------------------------------------------------------------


def written(x: Any) -> Any:
    y = x.exp() * 2
    y.add_(1)
    z = y.clone()
    z[0] = 0
    return z.sum()


def transforms() -> Any:
    x, rows = torch.ones(2), torch.ones(3, 2)
    f = torch.func
    return [
        f.vmap(written)(rows),
        f.grad(written)(x),
        f.jvp(written, (x,), (x,)),
        f.vjp(written, x)[0],
        f.hessian(written)(x),
        f.jacrev(lambda x: x.clone().mul_(2))(x),
        f.jacfwd(lambda x: x.clone().mul_(2))(x),
        f.vmap(f.grad(written))(rows),
        f.functionalize(written)(x),
        raised(lambda: f.vmap(lambda row: x.add_(row))(rows)),
        raised(lambda: f.grad(stale_under)(x)),
    ]


def stale_under(x: Any) -> Any:
    y = x.exp()
    y.add_(1)
    return y.sum()


def views() -> Any:
    def write(view: Any) -> None:
        with torch.no_grad():
            view.add_(1)

    def give(view: Any) -> None:
        view.data = torch.ones(2)

    attempts = (
        *(lambda view: view.detach().numpy() + 1, lambda view: view.detach_(), lambda view: view.mul_(2), write, give),
        *(lambda view: view.data.add_(1), lambda view: view.sum().backward(), lambda view: nn.Parameter(view)),
        lambda view: torch.ones(2).copy_(view),
    )
    return [raised(functools.partial(attempt, view)) for attempt in attempts for view in views_that_refuse()]


def fakes() -> Any:
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode():
        y = torch.ones(3, requires_grad=True).exp()
        y.add_(1)
        message = raised(lambda: y.sum().backward())
        other = torch.ones(3)
        everything(other)
    return message, str(other.shape)


def copies() -> Any:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True), nn.Dropout(0.5, inplace=True))
    again = pickle.loads(pickle.dumps(net))
    twice = copy.deepcopy(net)
    stream = io.BytesIO()
    torch.save(net.state_dict(), stream)
    stream.seek(0)
    twice.load_state_dict(torch.load(stream))
    tensor = pickle.loads(pickle.dumps(needs(3)))
    inplace = [pickle.loads(pickle.dumps(f)) for f in (torch.Tensor.add_, torch.ones(1).add_, torch.relu_)]
    return again[0].weight, twice[0].weight, tensor, copy.deepcopy(needs(2)), inplace[1](1), repr(net)


def looked_into() -> Any:
    """A program that asks constructors what they take, and modules that refuse to be kept by what is not ready yet."""

    class Odd(nn.ReLU):
        def __init__(self) -> None:
            super().__init__(inplace=True)
            self.name = "odd"

        def __hash__(self) -> int:
            return hash(self.name)

    asked = (nn.SiLU, nn.Dropout, nn.ReLU6, nn.Hardtanh, nn.Module, Odd)
    specs = [inspect.getfullargspec(kind.__init__) for kind in asked]
    names = [kind.__init__.__code__.co_varnames[: kind.__init__.__code__.co_argcount] for kind in asked]
    return [str(spec.args) for spec in specs], names, [str(spec.defaults) for spec in specs], Odd().inplace


def refused_otherwise() -> Any:
    x, scratch = needs(3), torch.empty(3)
    return [
        raised(lambda: torch.add(x, 1, out=scratch)),
        raised(lambda: torch.add(scratch, "1", out=scratch)),
        raised(lambda: (x * 2)[:2].detach_()),
        raised(lambda: torch.Tensor.detach_(3)),
    ]


PROGRAMS = [
    *(double_backward, retained_graph, unused_input, errors_of_other_kinds, hooks, custom_functions),
    *(scaler_and_autocast, optimizers, sparse, without_views, complex_numbers, quantised, meta),
    *(
        nested,
        masked,
        inference,
        lazy_and_odd_shapes,
        views,
        subclass,
        wrapper_subclass,
        overriding_subclass,
        function_mode,
        dispatch_mode,
        duck,
    ),
    *(transforms, fakes, copies, looked_into, refused_otherwise),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_same_as_without(program: Program) -> None:
    outcome(program)  # what torch imports or says the first time
    without = outcome(program)
    with gradsan.watch() as session:
        under = outcome(program)
    assert under == without
    assert outcome(program) == without
    assert session.not_covered == ()


def test_an_exception_is_the_frameworks_own() -> None:
    with pytest.raises(RuntimeError) as bare:
        stale().backward()
    with gradsan.watch(), pytest.raises(RuntimeError) as under:
        stale().backward()
    assert type(under.value) is type(bare.value)
    assert str(under.value) == str(bare.value)
    assert under.value.args == bare.value.args
    assert under.value.__cause__ is None
    assert under.value.__context__ is None
    assert "error[GS101]" in under.value.__notes__[0]
    pickle.loads(pickle.dumps(under.value))


# Lifetimes and memory ----------------------------------------------------------------------------------------------


def storages_alive(make: Callable[[], Any]) -> list[bool]:
    tensor = make()
    weak = tensor.untyped_storage()._weak_ref()
    expired = type(tensor.untyped_storage())._expired
    before = expired(weak)
    object_alive = weakref.ref(tensor)
    del tensor
    return [before, expired(weak), object_alive() is None]


MAKERS: dict[str, Callable[[], Any]] = {
    "written": lambda: torch.ones(3).add_(1),
    "written in a graph": lambda: needs(3).exp().add_(1),
    "written under no_grad": lambda: no_grad(needs(3).exp()),
    "view": lambda: torch.ones(3)[1:].add_(1),
    "data": lambda: needs(3).exp().data.add_(1),
    "detached": lambda: needs(3).exp().detach().add_(1),
    "item": lambda: setitem(torch.ones(3)),
    "module": lambda: nn.ReLU(inplace=True)(needs(3).exp()),
    "parameter": lambda: nn.Parameter(torch.ones(3)),
    "after a failure": lambda: failed(),
}


def no_grad(x: Any) -> Any:
    with torch.no_grad():
        return x.mul_(2)


def setitem(x: Any) -> Any:
    x[0] = 1
    return x


def failed() -> Any:
    y = needs(3).exp()
    y.add_(1)
    try:
        y.sum().backward()
    except RuntimeError:
        return y


@pytest.mark.parametrize("name", MAKERS)
def test_a_tensor_dies_when_it_would(name: str) -> None:
    gc.collect()
    gc.disable()
    try:
        without = storages_alive(MAKERS[name])
        with gradsan.watch():
            under = storages_alive(MAKERS[name])
    finally:
        gc.enable()
    assert under == without


def test_nothing_of_ours_refers_to_a_tensor() -> None:
    with gradsan.watch():
        x = torch.ones(3)
        x.add_(1)
        x.data.mul_(2)
        x.detach().mul_(2)
        net = nn.ReLU(inplace=True)
        net(x)
        assert [type(each) for each in gc.get_referrers(x) if each is not globals()] == []
        alive = weakref.ref(net)
        del net
        assert alive() is None


def test_the_record_is_bounded_over_thousands_of_writes() -> None:
    from gradsan.record import suspects, writes

    recorder: Any = frameworks.load("torch")._recorder  # type: ignore[attr-defined]
    kept = torch.zeros(4)

    def step() -> None:
        y = needs(4).exp() * 2
        y.add_(1)
        y[0] = 1
        y.data.mul_(2)
        with torch.no_grad():
            y.detach().add_(1)
        kept.add_(1)

    with gradsan.watch():
        step()
        gc.collect()
        before = sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())
        for _ in range(3 * suspects.FIRST_SWEEP):
            step()
        assert len(recorder.writes.storages) <= writes.FIRST_SWEEP
        assert len(recorder.writes.pending) <= writes.FOLD_AT
        assert len(recorder.suspects.aliases) <= suspects.FIRST_SWEEP
        assert len(recorder.suspects.writes) <= suspects.FIRST_SWEEP
        gc.collect()
        assert sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects()) <= before


def test_generated_functions_do_not_stay() -> None:
    with gradsan.watch():
        scope: dict[str, Any] = {"torch": torch}
        exec("def f():\n    return torch.ones(3).add_(1)", scope)
        scope["f"]()
        code = weakref.ref(scope["f"].__code__)
        del scope
    gc.collect()
    assert code() is None


def test_tensors_that_the_recorder_knows_can_be_swapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.__future__, "_swap_module_params_on_conversion", True)
    net = nn.Linear(3, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with gradsan.watch():
        for dtype in (torch.float64, torch.float32):
            net(torch.ones(2, 3, dtype=net.weight.dtype)).sum().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            net.to(dtype)
    assert net.weight.dtype == torch.float32
