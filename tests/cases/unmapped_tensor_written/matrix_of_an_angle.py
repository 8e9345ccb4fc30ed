# framework: torch
# outcome: raises
#~ missed-by: static (transforms are not followed)
#~ missed-by: fix (transforms are not protected, so nothing could be proven)
import torch


def rotation(angle):
    matrix = torch.eye(2)
    matrix[0, 0] = matrix[1, 1] = torch.cos(angle)  #~ error[GS404]: refused on `matrix`
    return matrix


torch.func.jacfwd(torch.func.vmap(rotation))(torch.ones(3))
