# framework: torch
# outcome: raises
#~ missed-by: static (what a backward frees is not followed)
#~ missed-by: fix (the repair ends the gradient where the step begins, which is for the programmer to say)
import torch

torch.manual_seed(0)
encode, read = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
memory = torch.zeros(2, 3)
for step in range(2):
    recalled = memory.clone()
    h = torch.tanh(encode(torch.randn(2)))
    memory[step % 2] = h  #~ error[GS109]: `memory` was given a history in place
    (read(recalled).sum() + read(h).sum()).backward()
