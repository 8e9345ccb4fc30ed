"""GS305: a computed tensor was wrapped as a new parameter, where its gradient ends."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.event import Detached, Written
from gradsan.model.history import History
from gradsan.rules.base import Rule, relabelled


class GraphCutByNewParameter(Rule):
    """`nn.Parameter(f(x))` in a forward pass."""

    code = "GS305"
    name = "graph-cut-by-new-parameter"
    precedence = 10
    summary = "A value with history was wrapped in a new `nn.Parameter` inside a forward pass: its gradient ends there."
    explanation = """\
`nn.Parameter(t)` makes a new leaf over the memory of `t`. A leaf has no history:
the gradient of the loss is stored in the new parameter's `.grad`, and does not go on to what computed `t`.
It is often written because `nn.Module.__setattr__` refuses a plain tensor in a parameter's place
("cannot assign 'torch.FloatTensor' as parameter 'weight'").
The forward value is right, nothing is raised; the scale, the mask or the network that made the weight is never trained,
and the new parameter is not in the optimizer either."""
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
        """Speak where a new parameter cut the graph."""
        written = history.first(Written)
        if history.refusal is not None or written is None or written.operation != "Parameter":
            return None
        if not any(event.cuts for event in history.all(Detached)):
            return None
        title = history.subject.title
        what = f", {title}," if title else ""
        told = tuple(event for event in history.events if not isinstance(event, Detached))
        finding = self.diagnose(
            history,
            f"a value with history {history.was} wrapped as a new parameter{what} and its gradient ends there",
            events=told,
            notes=("what computed the value receives no gradient from this use",),
            helps=(
                Help("use the computed tensor itself", "torch.nn.functional.linear(x, weight, bias)"),
                Help(
                    "or call the layer with it",
                    'torch.func.functional_call(layer, {"weight": weight}, (x,))',
                ),
                Help(
                    "or let the module compute its weight each time it is read",
                    'torch.nn.utils.parametrize.register_parametrization(layer, "weight", Scale())',
                ),
            ),
        )
        finding = relabelled(finding, Role.WRITE, "wrapped here without its history: the gradient ends")
        return relabelled(finding, Role.RAISE, "this backward does not reach beyond it")
