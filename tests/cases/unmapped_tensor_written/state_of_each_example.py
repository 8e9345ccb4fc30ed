# framework: torch
# outcome: raises
#~ missed-by: static (transforms are not followed)
#~ missed-by: fix (transforms are not protected, so nothing could be proven)
import torch


def roll(cell, sequence):
    state = torch.zeros(3)
    for x in sequence:
        state.copy_(0.9 * state + torch.tanh(cell @ x))  #~ error[GS404]: in-place `copy_` of a mapped value was refused
    return state.square().sum()


per_example = torch.func.vmap(roll, in_dims=(None, 0))
per_example(torch.ones(3, 2), torch.ones(5, 4, 2))
