# framework: torch
# outcome: raises
#~ missed-by: static (what a backward frees is not followed)
#~ missed-by: fix (the repair ends the gradient where the step begins, which is for the programmer to say)
import torch


class Stream(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = torch.nn.RNNCell(2, 3)
        self.register_buffer("hidden", torch.zeros(4, 3))

    def forward(self, chunk):
        h = self.hidden.clone()
        for x in chunk:
            h = self.cell(x, h)
        self.hidden.copy_(h)  #~ error[GS109]: `self.hidden` was given a history in place
        return h


torch.manual_seed(0)
stream = Stream()
for _ in range(2):
    stream(torch.randn(3, 4, 2)).square().mean().backward()  #~ label: raised here
