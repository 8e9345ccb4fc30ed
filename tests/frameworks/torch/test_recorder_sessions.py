"""Switching on and off: everything is put back, several sessions listen at once, other tracers keep their place."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import gradsan  # noqa: E402
from gradsan import frameworks  # noqa: E402

PLACES: dict[str, Any] = {
    "torch": torch,
    "Tensor": torch.Tensor,
    "TensorBase": torch._C.TensorBase,
    "Parameter": nn.Parameter,
    "functional": nn.functional,
    "_VF": torch._VF,
    "_nn": torch._C._nn,
    "autograd": torch.autograd,
    "graph": torch.autograd.graph,
    "saved_tensors_hooks": torch.autograd.graph.saved_tensors_hooks,
    "FunctionCtx": torch.autograd.function.FunctionCtx,
    "record_function": torch.autograd.profiler.record_function,
    "distributed": torch.distributed,
    "optimizer": sys.modules["torch.optim.optimizer"],
    "Optimizer": torch.optim.Optimizer,
    "fx": torch.fx.node,
    "jit": torch.jit._builtins,
    **{kind.__name__: kind for kind in vars(nn.modules).values() if isinstance(kind, type)},
}


def attributes() -> dict[tuple[str, str], Any]:
    found = {(place, name): value for place, owner in PLACES.items() for name, value in vars(owner).items()}
    found["hooks", "before"] = dict(vars(PLACES["optimizer"])["_global_optimizer_pre_hooks"])
    found["hooks", "after"] = dict(vars(PLACES["optimizer"])["_global_optimizer_post_hooks"])
    return found


def differences(before: dict[tuple[str, str], Any], after: dict[tuple[str, str], Any]) -> list[tuple[str, str]]:
    def is_same(key: tuple[str, str]) -> bool:
        one, other = before.get(key), after.get(key)
        return one is other or (key[0] == "hooks" and one == other)

    return [key for key in before.keys() | after.keys() if not is_same(key)]


def broken() -> None:
    y = torch.ones(3, requires_grad=True).exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def codes(session: Any) -> list[str]:
    return [finding.code for finding in session.findings]


def test_every_attribute_is_put_back_every_time() -> None:
    with gradsan.watch():
        broken()
    before, trace, thread_trace = attributes(), sys.gettrace(), threading.gettrace()
    for _ in range(20):
        gradsan.enable()
        assert differences(before, attributes())
        gradsan.disable()
        assert differences(before, attributes()) == []
    assert (sys.gettrace(), threading.gettrace()) == (trace, thread_trace)
    frame = sys._getframe()
    while frame is not None:
        assert "gradsan" not in str(frame.f_trace)
        frame = frame.f_back  # type: ignore[assignment]


def test_slots_work_as_before() -> None:
    with gradsan.watch():
        pass
    x = torch.zeros(3)
    x[0] = 1
    x += 1
    x.data = x.data * 2
    del x.grad
    assert x.detach().tolist() == [4, 2, 2]


def test_what_the_program_replaced_meanwhile_stays_replaced() -> None:
    original = torch.Tensor.zero_
    calls = []

    def own(self: Any) -> Any:
        calls.append(1)
        return original(self)

    gradsan.enable()
    torch.Tensor.zero_ = own
    try:
        torch.ones(1).zero_()
        gradsan.disable()
        assert torch.Tensor.__dict__["zero_"] is own
        assert torch.ones(1).zero_().item() == 0
    finally:
        gradsan.disable()
        del torch.Tensor.zero_
    assert torch.Tensor.zero_ is original
    assert len(calls) == 2


def test_enable_twice_is_once() -> None:
    before = attributes()
    gradsan.enable()
    gradsan.enable()
    gradsan.disable()
    assert differences(before, attributes()) == []
    gradsan.disable()


def test_sessions_inside_each_other() -> None:
    before = attributes()
    with gradsan.watch() as outer:
        broken()
        with gradsan.watch() as inner:
            broken()
        assert codes(inner) == ["GS101"]
        broken()
    assert codes(outer) == ["GS101"]
    assert outer.findings[0].count == 3
    assert inner.findings[0].count == 1
    assert differences(before, attributes()) == []


def test_sessions_that_overlap() -> None:
    one, other = gradsan.watch(), gradsan.watch()
    first = one.__enter__()
    second = other.__enter__()
    one.__exit__(None, None, None)
    broken()
    other.__exit__(None, None, None)
    assert (codes(first), codes(second)) == ([], ["GS101"])


def in_threads(*programs: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def guarded(program: Callable[[], None]) -> None:
        try:
            program()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(program,)) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_sessions_in_two_threads() -> None:
    before, barrier = attributes(), threading.Barrier(2)
    seen: list[list[str]] = []

    def work() -> None:
        for _ in range(5):
            barrier.wait(60)
            with gradsan.watch() as session:
                broken()
            assert session.not_covered == ()
            seen.append(codes(session))

    in_threads(work, work)
    assert seen == [["GS101"]] * 10
    assert differences(before, attributes()) == []
    assert sys.gettrace() is None or "gradsan" not in str(sys.gettrace())


def test_stopped_in_another_thread_than_started() -> None:
    before = attributes()
    watch = gradsan.watch()
    in_threads(watch.__enter__)
    in_threads(lambda: watch.__exit__(None, None, None))
    assert differences(before, attributes()) == []
    with gradsan.watch() as session:
        broken()
    assert codes(session) == ["GS101"]


@pytest.mark.parametrize("kind", [MemoryError, KeyboardInterrupt])
def test_a_step_that_raises_leaves_the_recorder_awake(kind: type[BaseException], monkeypatch: Any) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise kind

    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1)
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
    monkeypatch.setattr(sys.modules["torch.optim.sgd"], "sgd", fail)
    with gradsan.watch() as session:
        with pytest.raises(kind):
            optimizer.step()
        broken()
    [finding] = session.findings
    assert [label.role.value for label in finding.labels] == ["save", "write", "raise"]
    assert not session.not_covered


def test_an_error_of_ours_switches_us_off_once(monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from gradsan.frameworks.torch import failures

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(failures, "conflicts_of", fail)
    with gradsan.watch() as session:
        broken()
        broken()
    assert session.findings == ()
    assert [sentence for sentence in session.not_covered if "ZeroDivisionError: ours" in sentence]
    assert len(capsys.readouterr().err.splitlines()) == 1


needs_settrace = pytest.mark.skipif(sys.version_info >= (3, 12), reason="the clock is no tracer here")


@needs_settrace
def test_a_tracer_that_is_there_keeps_its_place() -> None:
    def tracer(*_: Any) -> Any:
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        with gradsan.watch() as session:
            broken()
            assert sys.gettrace() is tracer
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    [finding] = session.findings
    assert "write" in {label.role.value for label in finding.labels}
    assert any("another tracer" in sentence for sentence in session.not_covered)


@needs_settrace
def test_a_tracer_that_comes_later_takes_the_place() -> None:
    events: list[str] = []

    def tracer(_frame: Any, event: str, _argument: Any) -> Any:
        events.append(event)
        return tracer

    with gradsan.watch() as session:
        sys.settrace(tracer)
        broken()
        assert sys.gettrace() is tracer
    assert sys.gettrace() is tracer
    sys.settrace(None)
    assert "line" in events
    assert codes(session) == ["GS101"]
    assert any("another tracer" in sentence for sentence in session.not_covered)


def test_a_tracer_of_threads_keeps_its_place() -> None:
    def tracer(*_: Any) -> None:
        return None

    threading.settrace(tracer)
    try:
        with gradsan.watch():
            assert threading.gettrace() is tracer
        assert threading.gettrace() is tracer
    finally:
        threading.settrace(None)  # type: ignore[arg-type]


def test_profilers_are_left_alone() -> None:
    import cProfile

    with cProfile.Profile() as profile, gradsan.watch() as session:
        broken()
    assert codes(session) == ["GS101"]
    assert profile.getstats()


def test_nothing_is_kept_after_the_end() -> None:
    recorder: Any = frameworks.load("torch")._recorder  # type: ignore[attr-defined]
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
    with gradsan.watch():
        y = net(torch.ones(2, 2)).exp()
        y.add_(1)
        net = nn.ReLU(inplace=True)
    alive = weakref.ref(net)
    del y, net
    gc.collect()
    assert alive() is None
    assert not recorder.writes.storages
    assert not recorder.writes.pending
    assert not recorder.sessions
    assert not recorder.quiet_threads
