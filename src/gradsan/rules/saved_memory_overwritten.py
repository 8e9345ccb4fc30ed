"""GS350: the bytes of a saved tensor were overwritten past the framework."""

from __future__ import annotations

from gradsan.model.diagnostic import Diagnostic, Help
from gradsan.model.event import Saved
from gradsan.model.history import History, Witness
from gradsan.rules.base import Rule


class SavedMemoryOverwritten(Rule):
    """Only the content tells: no version, no operation."""

    code = "GS350"
    name = "saved-memory-overwritten"
    precedence = 50
    summary = "The memory of a saved tensor was overwritten by NumPy, a pointer, another process or a kernel."
    explanation = """\
`tensor.numpy()`, `torch.from_numpy(array)` and `torch.as_tensor(array)` share memory with the array.
So do DLPack exports, pointers given to C, Triton or numba kernels, and tensors in shared memory.
What is written there is no operation of PyTorch: no version counter moves.
If an operation saved the tensor, its backward computes with the new bytes, and nothing is raised.

The audit (`gradsan run --audit`) compares what a saved tensor contains when it is saved and when it is needed.
Memory that was handed out is compared after each line, so that the line that wrote is named."""
    example = """\
import torch

x = torch.ones(3, requires_grad=True)
y = torch.tanh(x)
array = y.detach().numpy()  # shares memory with y
array -= array.mean()  # overwrites what tanh saved
y.sum().backward()
print(x.grad)  # 1, 1, 1: the gradient is 0.42, 0.42, 0.42
"""
    instead = """\
import torch

x = torch.ones(3, requires_grad=True)
y = torch.tanh(x)
array = y.detach().numpy().copy()  # memory of its own
array -= array.mean()
y.sum().backward()
print(x.grad)  # 0.42, 0.42, 0.42
"""
    source = "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.numpy.html; checked with torch 2.13.0"

    def judge(self, history: History) -> Diagnostic | None:
        """Speak about what the audit saw by its witness."""
        if history.witness is not Witness.CONTENT:
            return None
        title = history.subject.title or "a saved tensor"
        saved = history.first(Saved)
        saver = "an operation" if saved is None else f"`{saved.operation}`"
        return self.diagnose(
            history,
            f"the memory of {title} was overwritten after {saver} saved it for backward",
            notes=("nothing is raised: backward uses the new bytes, and the gradient is wrong",),
            helps=(
                Help("copy where the memory is handed out", "array = tensor.detach().numpy().copy()"),
                Help("or give torch a copy of memory that is reused", "tensor = torch.tensor(array)"),
            ),
        )
