# framework: torch
# outcome: raises
#~ missed-by: fix (whether the mask sets the scores or is a step of the loss is for the programmer to say)
"""A loss masks the scores that it is given; set off the tape, they would have a gradient behind the mask too."""

import torch


def loss_of(scores, lengths):
    for row, length in enumerate(lengths):
        scores[row, length:] = 0.0  #~ error[GS202]: refused on a view of
    return (scores + 1).pow(2).sum()


torch.manual_seed(0)
scores = torch.randn(3, 5, requires_grad=True)
loss_of(scores, [5, 3, 4]).backward()
print(scores.grad.sum())
