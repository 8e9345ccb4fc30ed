"""Steps that a trainer makes for the program: told at the program's own line, or where one line made all, at the
trainer's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import gradsan  # noqa: E402

TRAINER = """
def step(optimizer, closure=None):
    return optimizer.step(closure=closure)


def backward(loss):
    loss.backward()


def fit(optimizer, loss, later):
    backward(loss)
    step(optimizer)
    backward(later)
"""


@pytest.fixture
def trainer(install: Callable[[str, str], ModuleType]) -> ModuleType:
    return install("trainer_of_test", TRAINER)


class Losses:
    """Two losses of one network, the second of which needs the weights as they were."""

    def __init__(self, *, fused: bool) -> None:
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        self.optimizer = torch.optim.AdamW(network.parameters(), fused=fused)
        self.first, self.second = network(torch.randn(5, 3)).mean(), network(torch.randn(5, 3)).mean()


def told(session: Any, role: str) -> tuple[str, str]:
    """Return file and function of the first label of a role."""
    labels = session.findings[0].labels
    span = next(label.span for label in labels if label.role.value == role)
    return Path(span.path).name, span.function.rpartition(".")[2]


def differentiate(second: Any, backward: Any, *, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(RuntimeError):
            backward(second)
    else:
        backward(second)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("with_closure", [False, True])
def test_a_step_through_a_trainer_is_told_at_the_programs_line(
    trainer: ModuleType, fused: bool, with_closure: bool
) -> None:
    with gradsan.watch() as session:
        losses = Losses(fused=fused)
        if with_closure:
            trainer.step(losses.optimizer, lambda: trainer.backward(losses.first))
        else:
            trainer.backward(losses.first)
            trainer.step(losses.optimizer)
        differentiate(losses.second, trainer.backward, is_refused=not fused)
    assert session.findings[0].code == ("GS302" if fused else "GS102")
    here = (Path(__file__).name, "test_a_step_through_a_trainer_is_told_at_the_programs_line")
    assert told(session, "write") == here
    assert told(session, "raise")[0] == Path(__file__).name
    assert len(session.findings[0].labels) == 3


@pytest.mark.parametrize("fused", [False, True])
def test_where_one_line_made_all_the_trainers_lines_are_told(trainer: ModuleType, fused: bool) -> None:
    with gradsan.watch() as session:
        losses = Losses(fused=fused)
        differentiate(
            losses.second,
            lambda second: trainer.fit(losses.optimizer, losses.first, second),
            is_refused=not fused,
        )
    assert told(session, "write") == ("trainer_of_test.py", "step")
    assert told(session, "raise") == ("trainer_of_test.py", "backward")


def test_steps_from_two_lines_of_the_program_are_two(trainer: ModuleType) -> None:
    with gradsan.watch() as session:
        losses = Losses(fused=False)
        trainer.backward(losses.first)
        trainer.step(losses.optimizer)
        trainer.step(losses.optimizer)
        differentiate(losses.second, trainer.backward, is_refused=True)
    writes = [label.span.line for label in session.findings[0].labels if label.role.value == "write"]
    assert len(writes) == 2
    assert writes[1] == writes[0] + 1


def test_an_error_in_a_closure_leaves_the_recorder_on() -> None:
    def closure() -> None:
        raise KeyError("of the program's own")

    with gradsan.watch() as session:
        losses = Losses(fused=False)
        losses.first.backward()
        with pytest.raises(KeyError, match="of the program's own"):
            losses.optimizer.step(closure)
        y = torch.ones(3, requires_grad=True).exp()
        y.add_(1)
        with pytest.raises(RuntimeError):
            y.sum().backward()
    assert [finding.code for finding in session.findings] == ["GS101"]
    assert told(session, "write")[1] == "test_an_error_in_a_closure_leaves_the_recorder_on"


def test_a_closure_gets_and_returns_what_it_would(trainer: ModuleType) -> None:
    losses = Losses(fused=False)

    def closure() -> Any:
        losses.optimizer.zero_grad()
        losses.first.backward()
        return losses.first

    with gradsan.watch() as session:
        assert trainer.step(losses.optimizer, closure) is losses.first
    assert not session.findings
