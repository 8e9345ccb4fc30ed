"""GS206: a tensor that a module's full backward hook wraps was written in place."""

from __future__ import annotations

from gradsan.knowledge.remedies import construct_out_of_place, out_of_place_code, price_of_copy
from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Refusal, Writer, Written, shown_operation
from gradsan.model.history import History
from gradsan.model.rewrite import Remedy
from gradsan.rules.base import Rule, attempts


class ModuleHookViewWritten(Rule):
    """`register_full_backward_hook` and in-place layers do not go together."""

    code = "GS206"
    name = "module-hook-view-written"
    refusal = Refusal.MODULE_HOOK_VIEW
    summary = "The input or result of a module with a full backward hook was written in place."
    explanation = """\
`register_full_backward_hook` and `register_full_backward_pre_hook` pass a module's inputs and results through a custom
Function, `BackwardHookFunction`, so that the hook sees their gradients.
What comes out is a view of what went in, with the hook's node.
A recorded write to it would drop that node, and the hook would not run; PyTorch refuses.

The hook is often somebody else's: saliency maps (Grad-CAM), attribution libraries, per-sample gradients, profilers.
The write is often an `inplace=True` activation, or a residual `out += identity`, in a model that ran before."""
    example = """\
import torch

model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(inplace=True))
model[0].register_full_backward_hook(lambda module, grad_input, grad_output: None)
model(torch.ones(2, 3))  # RuntimeError: the ReLU writes to what the hook wraps
"""
    instead = """\
import torch

model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(inplace=False))
model[0].register_full_backward_hook(lambda module, grad_input, grad_output: None)
model(torch.ones(2, 3)).sum().backward()
"""
    source = (
        "torch/nn/modules/_functions.py (BackwardHookFunction), torch/utils/hooks.py (BackwardHook);"
        " https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html, register_full_backward_hook;"
        " checked with torch 2.13.0"
    )

    def judge(self, history: History) -> Diagnostic | None:
        """Speak where the framework refused for this reason."""
        if self.refusal_in(history) is None:
            return None
        written = history.last(Written)
        title = history.subject.title or "a tensor"
        operation = f"`{shown_operation(written.operation)}`" if written is not None else "write"
        message = f"in-place {operation} {history.was} refused on {title}, which a module's backward hook wraps"
        return self.diagnose(history, message, events=attempts(history), helps=_helps(history, written))


def _helps(history: History, written: Written | None) -> tuple[Help, ...]:
    every_layer = Help(
        "if the model is not yours: switch its in-place layers off before hooking it",
        'for module in model.modules():\n    if hasattr(module, "inplace"):\n        module.inplace = False',
    )
    if written is not None and written.writer is Writer.MODULE:
        return (construct_out_of_place(written, history.subject), every_layer)
    code = out_of_place_code(written) if written is not None else ""
    return (Help(f"write out of place ({price_of_copy(history.subject)})", code, Remedy.OUT_OF_PLACE), every_layer)
