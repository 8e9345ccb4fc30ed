# framework: torch
# outcome: raises
import torch


@torch.no_grad()
def crops(images):
    return [image[:, :2] for image in images]


torch.manual_seed(0)
fill = torch.zeros(2, requires_grad=True)
cut = crops(torch.randn(3, 4, 4))
for i in range(3):
    cut[i][0] = fill * i  #~ error[GS204]: refused
torch.stack(cut).square().sum().backward()
