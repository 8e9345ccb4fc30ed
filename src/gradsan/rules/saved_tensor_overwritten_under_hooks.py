"""GS402: a tensor that saved-tensor hooks kept was overwritten; the engine no longer checks."""

from __future__ import annotations

from gradsan.knowledge.remedies import clone_where_saved
from gradsan.model.diagnostic import Diagnostic, Help, Role
from gradsan.model.event import Saved, Writer
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule, relabelled


class SavedTensorOverwrittenUnderHooks(Rule):
    """`save_on_cpu` on CPU tensors, hooks that hand back what they were given."""

    code = "GS402"
    name = "saved-tensor-overwritten-under-hooks"
    precedence = 35
    summary = "A saved tensor was overwritten, and saved-tensor hooks had switched off the check that would raise."
    explanation = """\
Saved-tensor hooks decide how the engine keeps what an operation saves:
`pack_hook(tensor)` is called at the save, `unpack_hook(packed)` when backward needs it.
For a tensor that went through hooks the engine does not compare versions: it trusts them.
If `pack_hook` hands back the tensor itself, or something over the same memory, an ordinary in-place write
between forward and backward is no longer an error. It is a wrong gradient.

`torch.autograd.graph.save_on_cpu()` does so for tensors that are on the CPU already: `tensor.cpu()` is the same memory.
So do hooks that only log, that compress some tensors and pass the others on, or that offload above a size.

What `unpack_hook` returns is not checked either. A node unpacks all that it saved before it computes:
a hook that stages every tensor in one buffer overwrites the first with the second. The audit sees this."""
    example = """\
import torch

x = torch.ones(3, requires_grad=True)
with torch.autograd.graph.save_on_cpu():
    h = torch.sigmoid(x)  # saves its result, unchecked
h.mul_(2)
h.sum().backward()  # without the hooks this raises
"""
    instead = """\
import torch

x = torch.ones(3, requires_grad=True)
with torch.autograd.graph.save_on_cpu():
    h = torch.sigmoid(x)
h = h * 2
h.sum().backward()
"""
    source = (
        "https://docs.pytorch.org/docs/stable/autograd.html, section Saved tensors hooks;"
        " torch/csrc/autograd/saved_variable.cpp (SavedVariable::unpack returns before the version check where hooks"
        " are set); checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the save was not checked."""
        if history.witness is Witness.UNPACKED:
            return self._of_unpacked(history)
        story, saved = history.unseen(), history.first(Saved)
        if story is None or saved is None or saved.is_checked or story.first is None:
            return None
        title = history.subject.title or "a saved tensor"
        by = f" by `{story.first.operation}`" if story.first.writer is not Writer.PROGRAM else ""
        finding = self.diagnose(
            history,
            f"{title} {history.was} overwritten{by} after `{saved.operation}` saved it through hooks, which are not"
            " checked",
            notes=("without saved-tensor hooks PyTorch would raise here",),
            helps=(
                Help("let the hook keep a copy", "def pack_hook(tensor):\n    return tensor.clone()"),
                clone_where_saved(saved, history.subject),
                Help("or write after the backward"),
            ),
        )
        times = f" {story.first.n_times} times" if story.first.n_times > 1 else ""
        return relabelled(finding, Role.WRITE, f"modified here{by}{times}, unchecked because of hooks")

    def _of_unpacked(self, history: History) -> Diagnostic:
        saved = history.first(Saved)
        of = f" for `{saved.operation}`" if saved is not None and saved.operation else ""
        finding = self.diagnose(
            history,
            f"what an unpack hook returned{of} {history.was} overwritten before the node that needs it ran",
            notes=("a node unpacks all that it saved before it computes",),
            helps=(Help("return memory of its own for every tensor", "return staging[: n].clone()"),),
        )
        return relabelled(finding, Role.WRITE, "overwritten here, for another saved tensor")
