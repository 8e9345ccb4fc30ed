"""What compilers capture is the same with and without the recorder: graphs, breaks, frames, recompilations."""

from __future__ import annotations

import linecache
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import gradsan  # noqa: E402
from gradsan.model.diagnostic import Role  # noqa: E402

Program = Callable[[Any], Any]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.relu, self.dropout = nn.ReLU(inplace=True), nn.Dropout(0.5, inplace=True)
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: Any) -> Any:
        self.count += 1
        x = self.dropout(self.relu(self.norm(self.linear(x))))
        x.mul_(2)
        x += 1
        x[0] = 0
        return x


def functions(x: Any) -> Any:
    return torch.relu_(x.clone()) + F.leaky_relu(x.clone(), inplace=True) + F.dropout(x.clone(), inplace=True)


def detached(x: Any) -> Any:
    y = x * 2
    z = y.detach()
    z.add_(1)
    return y.data.mul_(2) + z


def data_assigned(x: Any) -> Any:
    y = torch.zeros(3)
    y.data = x
    return y + 1


def constructed(x: Any) -> Any:
    return nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(0.1, inplace=True))(x.clone())


def lists(x: Any) -> Any:
    both = [x.clone(), x.clone()]
    torch._foreach_mul_(both, 2.0)
    return both[0]


def parameter(x: Any) -> Any:
    return nn.Parameter(x.detach()) * 2


def statistics(x: Any) -> Any:
    return F.batch_norm(x, torch.zeros(3), torch.ones(3), training=True)


def broken_in_two(x: Any) -> Any:
    y = x.exp()
    print(end="")
    y.add_(1)
    return y


def profiled(x: Any) -> Any:
    with torch.autograd.profiler.record_function("stretch"):
        return x.clone().add_(1)


def hooked(x: Any) -> Any:
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        return x.exp()


def transformed(x: Any) -> Any:
    return torch.func.grad(lambda z: z.clone().mul_(2).sum())(x)


def initialised(x: Any) -> Any:
    weight = torch.empty(3, 3)
    nn.init.kaiming_normal_(weight)
    with torch.no_grad():
        weight.zero_()
    return x @ weight


def step() -> Program:
    net = nn.Linear(3, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def run(x: Any) -> None:
        optimizer.zero_grad()
        net(x).relu_().sum().backward()
        optimizer.step()

    return run


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 2


def custom(x: Any) -> Any:
    return Doubled.apply(x.clone())


QUICK: dict[str, Callable[[], Program]] = {"net": Net, "functions": lambda: functions, "step": step}
SLOW: dict[str, Callable[[], Program]] = {
    each.__name__: (lambda each=each: each)
    for each in (
        *(detached, data_assigned, constructed, lists, parameter, statistics, broken_in_two, profiled, hooked),
        *(transformed, initialised, custom),
    )
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def captured(make: Callable[[], Program]) -> tuple[Any, ...]:
    """Everything that `torch.compile` does to a program, over two shapes."""
    import torch._dynamo as dynamo

    dynamo.reset()
    dynamo.utils.counters.clear()
    graphs: list[str] = []

    def backend(module: Any, _examples: Any) -> Any:
        graphs.append("\n".join(f"{n.op} {n.target} {n.args} {n.kwargs} {n.type}" for n in module.graph.nodes))
        return module.forward

    torch.manual_seed(0)
    program = torch.compile(make(), backend=backend)
    results = [program(torch.ones(n, 3)) for n in (4, 4, 5)]
    counters = {name: dict(dynamo.utils.counters[name]) for name in ("graph_break", "frames", "unimplemented")}
    numbers = [None if result is None else result.tolist() for result in results]
    if make is step:  # an empty method of the optimizer is looked into or not
        del counters["frames"]
    return graphs, counters, numbers, torch.rand(1).item()


def compare(make: Callable[[], Program]) -> None:
    captured(make)  # the first time, Dynamo looks into more
    before = captured(make)
    with gradsan.watch() as session:
        under = captured(make)
    assert under == before
    assert captured(make) == before
    assert not session.findings
    assert not session.not_covered


@pytest.mark.parametrize("name", QUICK)
def test_captured(name: str) -> None:
    compare(QUICK[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_captured_too(name: str) -> None:
    compare(SLOW[name])


def test_compiled_before_is_not_compiled_again() -> None:
    import torch._dynamo as dynamo
    from torch._dynamo.testing import CompileCounter

    dynamo.reset()
    counter, net = CompileCounter(), Net()
    compiled = torch.compile(net, backend=counter)
    compiled(torch.ones(4, 3))
    compiled(torch.ones(4, 3))
    n_frames = counter.frame_count
    with gradsan.watch():
        compiled(torch.ones(4, 3))
        compiled(torch.ones(4, 3))
    compiled(torch.ones(4, 3))
    assert counter.frame_count == n_frames


def test_a_failure_after_a_compiled_stretch_is_explained() -> None:
    compiled = torch.compile(lambda x: x * 2, backend="eager")
    with gradsan.watch() as session:
        y = compiled(torch.ones(3, requires_grad=True)).exp()
        y.add_(1)
        with pytest.raises(RuntimeError):
            y.sum().backward()
    [finding] = session.findings
    assert [label.role.value for label in finding.labels] == ["save", "write", "raise"]


def test_a_failure_inside_a_compiled_stretch_is_told_at_its_call() -> None:
    def activate(x: torch.Tensor) -> torch.Tensor:
        y = x.exp()
        y.add_(1)
        return y

    with gradsan.watch() as session:
        y = torch.compile(activate, backend="eager")(torch.ones(3, requires_grad=True))
        with pytest.raises(RuntimeError):
            y.sum().backward()
    [finding] = session.findings
    assert finding.primary is not None
    assert "torch.compile(activate" in linecache.getline(finding.primary.path, finding.primary.line)
    assert any("ran compiled; its lines are known with" in note for note in finding.notes)


def test_what_compiled_code_saved_is_told_at_its_call() -> None:
    def gate(x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x)

    compiled = torch.compile(gate, backend="aot_eager")
    x = torch.ones(3, requires_grad=True)
    compiled(x)
    with gradsan.watch() as session:
        opened = compiled(x)
        opened.mul_(2)
        with pytest.raises(RuntimeError):
            opened.sum().backward()
    [finding] = session.findings
    [save] = finding.labels_of(Role.SAVE)
    assert "opened = compiled(x)" in linecache.getline(save.span.path, save.span.line)
    assert any("is what the saving line calls, compiled" in note for note in finding.notes)
    assert not any("of its own" in proposal.text for proposal in finding.helps)


def test_what_compiled_code_wrote_is_told_at_its_call() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))

    @torch.compile(backend="aot_eager")
    def decay() -> None:
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(0.9)

    with gradsan.watch() as session:
        loss = network(torch.ones(2)).sum()
        decay()
        with pytest.raises(RuntimeError):
            loss.backward()
    [finding] = session.findings
    assert finding.primary is not None
    assert "decay()" in linecache.getline(finding.primary.path, finding.primary.line)


def test_what_a_tracer_made_of_a_program_is_no_module_that_writes() -> None:
    class Activate(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.exp(x).add_(1)

    traced = torch.fx.symbolic_trace(Activate())
    with gradsan.watch() as session:
        y = traced(torch.ones(3, requires_grad=True))
        with pytest.raises(RuntimeError):
            y.sum().backward()
    [finding] = session.findings
    assert [each.text for each in finding.helps] == [
        "both happen inside this call: let what it runs write out of place, or to a copy"
    ]


@pytest.mark.slow
def test_exported() -> None:
    def export() -> str:
        torch.manual_seed(0)
        return str(torch.export.export(Net(), (torch.ones(2, 3),)).graph)

    before = export()
    with gradsan.watch():
        assert export() == before


class Written(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + 1, inplace=True).mul_(2)


def activations() -> Any:
    parts = (nn.ReLU, nn.LeakyReLU, nn.Hardtanh, nn.SiLU, nn.ELU, nn.Dropout, nn.Hardswish)
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), *(part(inplace=True) for part in parts)).eval()


# TorchScript reads annotations and type comments.
def written(x):
    y = x.add(1)
    y = torch.relu_(y.mul_(2))
    return torch.sigmoid_(y).detach()


TRACED: dict[str, Callable[[], str]] = {
    "script of modules": lambda: scrubbed(torch.jit.script(activations()).inlined_graph),
    "script of a function": lambda: str(torch.jit.script(F.relu).graph),
    "script of torch functions": lambda: str(torch.jit.script(written).graph),
    "trace": lambda: scrubbed(torch.jit.trace(activations(), torch.ones(2, 2)).inlined_graph),
    "symbolic trace of modules": lambda: torch.fx.symbolic_trace(nn.Sequential(Written(), activations())).code,
    "symbolic trace of a function": lambda: torch.fx.symbolic_trace(written).code,
    "make_fx": lambda: make_fx(written),
    "make_fx, symbolic": lambda: make_fx(Written(), tracing_mode="symbolic"),
    "make_fx of a backward": lambda: make_fx(lambda x: torch.func.grad(lambda z: z.clone().mul_(2).exp().sum())(x)),
}


def scrubbed(graph: Any) -> str:
    """Leave out the number that TorchScript gives each type it meets, and the names and lines of values.

    It names a value for the variable of the innermost frame that holds it, and at an in-place call this frame is ours.
    """
    names: dict[str, str] = {}
    text = re.sub(r"___torch_mangle_\d+\.| # .*", "", str(graph))
    return re.sub(r"%[\w.]+", lambda match: names.setdefault(match[0], f"%{len(names)}"), text)


def make_fx(function: Any, **options: Any) -> str:
    from torch.fx.experimental.proxy_tensor import make_fx

    traced = make_fx(function, pre_dispatch=False, **options)(torch.ones(2, 3))
    return "\n".join(f"{node.format_node()} {node.meta.get('torch_fn')}" for node in traced.graph.nodes)


@pytest.mark.parametrize("name", TRACED)
def test_traced(name: str) -> None:
    torch.manual_seed(0)
    before = TRACED[name]()
    with gradsan.watch() as session:
        torch.manual_seed(0)
        assert TRACED[name]() == before
    torch.manual_seed(0)
    assert TRACED[name]() == before
    assert not session.not_covered


def test_a_traced_module_is_pickled_as_without_us() -> None:
    import pickle

    with gradsan.watch():
        kept = pickle.dumps(torch.fx.symbolic_trace(written))
        assert torch.equal(pickle.loads(kept)(torch.ones(2)), written(torch.ones(2)))
    assert torch.equal(pickle.loads(kept)(torch.ones(2)), written(torch.ones(2)))
    assert b"gradsan" not in kept


def test_no_code_of_the_audit_is_compiled() -> None:
    net, x = nn.Linear(3, 3), torch.ones(2, 3)
    torch._dynamo.reset()
    with warnings.catch_warnings(record=True) as caught, gradsan.audit():
        warnings.simplefilter("always")
        torch.compile(lambda x: (net(x) - x).sum(), backend="eager")(x).backward()
    assert not [each for each in caught if "Dynamo does not know" in str(each.message)]
