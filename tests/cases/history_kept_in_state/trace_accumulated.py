# framework: torch
# outcome: raises
#~ missed-by: static (what a backward frees is not followed)
#~ missed-by: fix (the repair ends the gradient where the step begins, which is for the programmer to say)
import torch

torch.manual_seed(0)
policy, value = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)
trace = torch.zeros(2)
for _ in range(2):
    trace *= 0.9
    trace += torch.tanh(policy(torch.randn(3)))  #~ error[GS109]: `trace` was given a history in place
    value(trace.clone()).sum().backward()
