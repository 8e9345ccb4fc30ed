# framework: torch
# outcome: raises
#~ missed-by: static (transforms are not followed)
#~ missed-by: fix (transforms are not protected, so nothing could be proven)
import torch


history = torch.zeros(3, 2)


def simulate(speed):
    position = torch.zeros(2)
    for step in range(3):
        position = position + speed
        history[step] = position  #~ error[GS403]: in-place `[...] =` was refused on `history`
    return position


torch.func.vjp(simulate, torch.ones(2))
