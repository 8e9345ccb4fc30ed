"""GS360: a leaf was written inside an autocast region, which went on with the copy that it had cast before."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class LeafWrittenUnderAutocast(Rule):
    """Autocast keeps its casts until the outermost region ends."""

    code = "GS360"
    name = "leaf-written-under-autocast"
    precedence = 50
    summary = "A leaf was written inside an autocast region, and the copy that was cast before was used after."
    explanation = """\
Inside a region of `torch.autocast` each float32 leaf is cast once;
the copy is kept until the outermost region ends.
A write to the leaf does not drop the copy.
Where one region is laid around a whole loop, `optimizer.step()` trains weights that no forward pass sees;
where weights are exchanged inside a region (an average, a reference model, an adapter), both passes use the same ones.
Loss and gradient belong to weights that are gone, and nothing is raised.

Enter `autocast` anew for each forward pass."""
    example = """\
import torch

model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
x = torch.ones(3, 2)
with torch.autocast("cpu", dtype=torch.bfloat16):
    before = model(x)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    after = model(x)  # the same values
    after.float().sum().backward()
"""
    instead = """\
import torch

model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
x = torch.ones(3, 2)
with torch.autocast("cpu", dtype=torch.bfloat16):
    before = model(x)
with torch.no_grad():
    for p in model.parameters():
        p.mul_(2)
with torch.autocast("cpu", dtype=torch.bfloat16):
    after = model(x)
after.float().sum().backward()
"""
    source = (
        "aten/src/ATen/autocast_mode.cpp (cached_cast is keyed by the leaf and cleared when the outermost region ends);"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is not Witness.STALE_CAST:
            return None
        title = history.subject.title or "a leaf"
        finding = self.diagnose(
            history,
            f"{title} was written inside an autocast region, which went on with the copy that it had cast before",
            helps=(Help("enter autocast for each forward pass", 'with torch.autocast("cuda"): out = model(x)'),),
        )
        finding = relabelled(finding, Role.WRITE, "written inside the region")
        return relabelled(finding, Role.RAISE, "uses the copy from before the write")
