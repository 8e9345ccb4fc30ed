# framework: torch
# outcome: raises
#~ missed-by: static (transforms are not followed)
#~ missed-by: fix (transforms are not protected, so nothing could be proven)
import torch


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.project = torch.nn.Linear(3, 3)
        self.register_buffer("keys", torch.zeros(4, 3))

    def forward(self, x):
        keys = self.project(x)
        self.keys.index_copy_(0, torch.arange(2), keys)  #~ error[GS403]: refused on `keys`
        return torch.softmax(x @ self.keys.t(), dim=-1)


torch.manual_seed(0)
net = Attention()
weights = {name: p.detach() for name, p in net.named_parameters()}
x = torch.randn(2, 3)
torch.func.grad(lambda w: torch.func.functional_call(net, w, (x,)).square().sum())(weights)
