# framework: torch
# outcome: correct
"""Errors that have nothing to do with in-place writes are the program's own business."""

import torch

torch.set_default_dtype(torch.float64)


def try_shapes(weight):
    for width in (2, 3):
        try:
            return (torch.ones(1, width) @ weight).sum()
        except RuntimeError:
            continue
    return None


weight = torch.ones(3, requires_grad=True)
loss = try_shapes(weight)
loss.backward()
try:
    loss.backward()
except RuntimeError as error:
    assert "second time" in str(error)
CHECKED = (try_shapes, (torch.ones(3, requires_grad=True),))
