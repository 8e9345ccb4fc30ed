# framework: torch
# outcome: wrong-gradient
"""An environment clips the array of an action, and the penalty on the action is computed after that."""
#~ missed-by: static (a call of an object)
#~ missed-by: plain (only content tells)

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


class Environment:
    def step(self, action):
        np.clip(action, -0.5, 0.5, out=action)  #~ error[GS303]: was mutated off the tape
        return action.sum()


def loss_of(x):
    action = x + 1
    Environment().step(action.detach().numpy())
    return action.pow(2).sum()


x = torch.randn(3, 4, requires_grad=True)
loss_of(x).backward()
CHECKED = (loss_of, (x,))
