# framework: torch
# outcome: raises
#~ missed-by: static (the closure is called by the optimizer)
#~ missed-by: fix (which loss the second backward is meant to use, the author decides)
"""The closure of a sharpness-aware step differentiates the loss of the weights before the ascent again."""

import torch


class SharpnessAware(torch.optim.Optimizer):
    def __init__(self, params, lr, rho):
        super().__init__(params, {"lr": lr, "rho": rho})

    def ascend(self):
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["ascent"] = p.grad * group["rho"]
                p.add_(self.state[p]["ascent"])  #~ error[GS102]: was updated by `SharpnessAware.step`

    def descend(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(self.state[p]["ascent"] + group["lr"] * p.grad)

    @torch.no_grad()
    def step(self, closure):
        self.ascend()
        with torch.enable_grad():
            closure()
        self.descend()


torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = SharpnessAware(network.parameters(), lr=0.1, rho=0.05)
loss = network(torch.randn(5, 3)).square().mean()  #~ label: saved
loss.backward(retain_graph=True)


def closure():
    optimizer.zero_grad()
    loss.backward()  #~ label: backward needed the saved value


optimizer.step(closure)
