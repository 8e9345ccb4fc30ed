"""GS304: a computed value was copied into a parameter's data, where its gradient ends."""

from __future__ import annotations

from dataclasses import replace

from gradsan.model.diagnostic import Diagnostic, Help, Role, Severity
from gradsan.model.event import Detached, Written
from gradsan.model.history import History
from gradsan.rules.base import Rule, relabelled


class GraphCutByDataCopy(Rule):
    """Generated weights that are put into a layer by value."""

    code = "GS304"
    name = "graph-cut-by-data-copy"
    summary = "A value with history was copied into a leaf: its gradient ends there."
    explanation = """\
`weight.data.copy_(f(x))`, `weight.data = f(x)` and `weight.copy_(f(x))` under `no_grad` move numbers, not history.
The layer computes with the new weight, and its gradient goes to the layer's own leaf;
what computed the value (a hypernetwork, a scale, a mask, a style code) receives nothing:
its `.grad` stays None or zero.
Nothing is raised, and the part of the model that should generate the weights is never trained.

Inside a module's forward this is an error. Elsewhere it may be an initialisation or an average:
it is a warning, and only where what computed the value has no gradient and no optimizer owns the leaf.
`weight.data.copy_(f(x).detach())` says that it is meant."""
    example = """\
import torch


class Generated(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.layer = torch.nn.Linear(2, 2)
        self.base = torch.ones(2, 2)

    def forward(self, x):
        self.layer.weight.data.copy_(self.scale * self.base)  # the history of the product ends here
        return self.layer(x)


model = Generated()
model(torch.ones(1, 2)).sum().backward()
print(model.scale.grad)  # None
"""
    instead = """\
import torch


class Generated(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.layer = torch.nn.Linear(2, 2)
        self.base = torch.ones(2, 2)

    def forward(self, x):
        weight = {"weight": self.scale * self.base}
        return torch.func.functional_call(self.layer, weight, (x,))


model = Generated()
model(torch.ones(1, 2)).sum().backward()
print(model.scale.grad)  # 4
"""
    source = (
        "https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html;"
        " torch/csrc/autograd/python_variable.cpp (THPVariable_get_data, THPVariable_set_data);"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where a write cut the graph."""
        written = history.first(Written)
        if history.refusal is not None or written is None or written.operation in ("Parameter", "tensor"):
            return None
        cuts = [event for event in history.all(Detached) if event.cuts]
        if not cuts:
            return None
        title = history.subject.title or "a leaf"
        told = tuple(event for event in history.events if not isinstance(event, Detached))
        finding = self.diagnose(
            history,
            f"a value with history {history.was} copied into {title}, and its gradient ends there",
            events=told,
            notes=("what computed the value receives no gradient from this use",),
            helps=(
                Help(
                    "call the layer with the computed weight",
                    'torch.func.functional_call(layer, {"weight": weight}, (x,))',
                ),
                Help("or use the functional form", "torch.nn.functional.linear(x, weight, bias)"),
                Help("where only the value is wanted, say so", "weight.data.copy_(value.detach())"),
            ),
        )
        finding = relabelled(finding, Role.WRITE, "copied here without its history: the gradient ends")
        finding = relabelled(finding, Role.RAISE, "this backward does not reach beyond it")
        return finding if cuts[0].is_sure else replace(finding, severity=Severity.WARNING)
