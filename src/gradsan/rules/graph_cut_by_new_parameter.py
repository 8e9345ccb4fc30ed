"""GS305: a computed tensor was wrapped as a new leaf, where its gradient ends."""

from __future__ import annotations

from dataclasses import replace

from gradsan.model.diagnostic import Diagnostic, Help, Role, Severity
from gradsan.model.event import Detached, Written
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled

NEW_LEAVES = ("Parameter", "tensor")


class GraphCutByNewParameter(Rule):
    """`nn.Parameter(f(x))`, and `torch.tensor(losses, requires_grad=True)`."""

    code = "GS305"
    name = "graph-cut-by-new-parameter"
    precedence = 10
    summary = "A value with history was wrapped as a new parameter or tensor: its gradient ends there."
    explanation = """\
`nn.Parameter(t)` makes a new leaf over the memory of `t`. A leaf has no history:
the gradient of the loss is stored in the new parameter's `.grad`, and does not go on to what computed `t`.
It is often written because `nn.Module.__setattr__` refuses a plain tensor in a parameter's place
("cannot assign 'torch.FloatTensor' as parameter 'weight'").
The forward value is right, nothing is raised; the scale, the mask or the network that made the weight is never trained,
and the new parameter is not in the optimizer either.

`torch.tensor(losses, requires_grad=True)` copies numbers out of the losses into a new leaf:
the error that `backward` would raise is gone, and so are all gradients.

Inside a module's forward, and with `torch.tensor`, this is an error.
Elsewhere `nn.Parameter(f(x))` may be the start of an optimization over its value:
it is a warning, and only where what computed the value has no gradient and no optimizer owns the new parameter.
`nn.Parameter(f(x).detach())` says that it is meant.

`nn.Parameter(p)` of a parameter makes a second leaf over one memory, where `other.weight = p` would share the leaf.
What flows through the one is not in the gradient of the other:
under the audit it is a warning where one backward pass reaches both, unless plain SGD steps both."""
    example = """\
import torch


class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.layer = torch.nn.Linear(2, 2)
        self.base = torch.ones(2, 2)

    def forward(self, x):
        self.layer.weight = torch.nn.Parameter(self.scale * self.base)  # a new leaf
        return self.layer(x)


model = Scaled()
model(torch.ones(1, 2)).sum().backward()
print(model.scale.grad)  # None
"""
    instead = """\
import torch


class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.layer = torch.nn.Linear(2, 2)
        self.base = torch.ones(2, 2)

    def forward(self, x):
        return torch.nn.functional.linear(x, self.scale * self.base, self.layer.bias)


model = Scaled()
model(torch.ones(1, 2)).sum().backward()
print(model.scale.grad)  # 4
"""
    source = (
        "torch/nn/parameter.py (Parameter.__new__: _make_subclass of the data);"
        " https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html; checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where a new leaf cut the graph."""
        if history.witness is Witness.LEAF_OVER_LEAF:
            return self._of_second_leaf(history)
        written = history.first(Written)
        if history.refusal is not None or written is None or written.operation not in NEW_LEAVES:
            return None
        cuts = [event for event in history.all(Detached) if event.cuts]
        if not cuts:
            return None
        is_parameter = written.operation == "Parameter"
        title = history.subject.title if is_parameter else ""
        what = f", {title}," if title else ""
        new = "parameter" if is_parameter else "tensor"
        told = tuple(event for event in history.events if not isinstance(event, Detached))
        finding = self.diagnose(
            history,
            f"a value with history {history.was} wrapped as a new {new}{what} and its gradient ends there",
            events=told,
            notes=("what computed the value receives no gradient from this use",),
            helps=_of_parameter() if is_parameter else _of_tensor(),
        )
        finding = relabelled(finding, Role.WRITE, "a new leaf, without the history of the value")
        finding = relabelled(finding, Role.RAISE, "this backward does not reach beyond it")
        return finding if cuts[0].is_sure else replace(finding, severity=Severity.WARNING)

    def _of_second_leaf(self, history: History) -> Diagnostic:
        finding = self.diagnose(
            history,
            "a parameter was wrapped as a new one: two leaves have one memory, and each gets a part of the gradient",
            notes=("the optimizer steps each of them with its own part, or one of them not at all",),
            helps=(Help("share the parameter itself", "self.head.weight = self.embed.weight"),),
        )
        finding = relabelled(finding, Role.WRITE, "a second leaf over this memory")
        finding = relabelled(finding, Role.RAISE, "this backward reaches both")
        return replace(finding, severity=Severity.WARNING)


def _of_parameter() -> tuple[Help, ...]:
    return (
        Help("use the computed tensor itself", "torch.nn.functional.linear(x, weight, bias)"),
        Help("or call the layer with it", 'torch.func.functional_call(layer, {"weight": weight}, (x,))'),
        Help(
            "or let the module compute its weight each time it is read",
            'torch.nn.utils.parametrize.register_parametrization(layer, "weight", Scale())',
        ),
    )


def _of_tensor() -> tuple[Help, ...]:
    return (Help("join the tensors themselves", "loss = torch.stack(losses).sum()"),)
