"""What overwrites weights between a forward pass and its backward, and how dropout and hooks work in place."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

LOADED = """\
net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
best = net.state_dict()
FIRST
net.load_state_dict(best)
SECOND
"""
FORWARD = "loss = net(torch.ones(3)).sum()"
SCALED = """\
gen = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
disc = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
opt = torch.optim.SGD(disc.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cpu")
fake = gen(torch.ones(3))
loss_d = disc(fake.detach()).sum()
FIRST
scaler.scale(loss_d).backward()
scaler.step(opt)
SECOND
"""
CLOSURE = """\
net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
opt = torch.optim.LBFGS(net.parameters())
OUTSIDE
def closure():
    INSIDE
    loss.backward(retain_graph=True)
    return loss

opt.step(closure)
"""
DROPPED = """\
class Attention(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p
        self.lin = nn.Linear(3, 3)

    def forward(self, x):
        weights = torch.OPERATION(self.lin(x))
        F.dropout(weights, self.p, self.training, inplace=True)
        return weights
"""
PRE_HOOK = """\
def shift(module, args):
    (x,) = args
    CHANGE
    return (x,)

class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 3), nn.Linear(3, 3)
        self.right.register_forward_pre_hook(shift)

    def forward(self, x):
        h = torch.sigmoid(self.left(x))
        return self.left(h) + self.right(h)

heads = Heads()
heads(torch.ones(3)).sum().backward()
"""
RENORMALISED = """\
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(9, 3, max_norm=1.0)
        self.proj = nn.Linear(3, 3)

    def forward(self, ids):
        table = self.proj(self.emb.weight)
        return self.emb(ids) @ table.t()
"""
DEFAULT = """\
class Film(nn.Module):
    def __init__(self, act=ACT):
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.act = act

    def forward(self, x):
        out = self.act(self.lin(x))
        out += x
        return out
"""
OWN_OPTIMIZER = """\
from torch.optim import Optimizer

class Plain(Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, dict(lr=lr))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.OPERATION(p.grad, alpha=-group["lr"])

net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
opt = Plain(net.parameters(), lr=0.1)
a, b = net(torch.ones(3)).sum(), net(torch.zeros(3)).sum()
a.backward()
opt.step()
b.backward()
"""
STATELESS = """\
from torch.func import functional_call

net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
fast = {n: p.clone() for n, p in net.named_parameters()}
loss = functional_call(net, fast, (torch.ones(3),)).sum()
grads = torch.autograd.grad(loss, fast.values(), create_graph=True)
for name, grad in zip(fast, grads):
    CHANGE
functional_call(net, fast, (torch.zeros(3),)).sum().backward()
"""
INFERENCE = """\
def run(model: nn.Module, xs):
    total = 0
    with torch.MODE():
        for x in xs:
            total += F.mse_loss(model(x), x)
    total /= len(xs)
    return total
"""
FROZEN = """\
net = nn.Sequential(nn.Embedding(9, 3), nn.Linear(3, 3))
for name, p in net.named_parameters():
    p.requires_grad_(name.startswith(PREFIX))
h = net[0](torch.tensor([1]))
h.requires_grad_(True)
h += 1
net[1](h).sum().backward()
"""
WRAPPED = """\
net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=FLAG), nn.Linear(3, 1))
for module in net.modules():
    if not list(module.children()):
        module.register_full_backward_hook(lambda module, grad_in, grad_out: None)
net(torch.ones(3)).sum().backward()
"""
RECURRENT = """\
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN_KIND
        self.drop = nn.Dropout(0.1, inplace=True)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.drop(out)
"""
CHECKPOINTED = """\
from torch.utils.checkpoint import checkpoint

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.act, self.lin = nn.ReLU(inplace=True), nn.Linear(3, 3)

    def forward(self, x):
        return self.lin(self.act(x))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.block = nn.Linear(3, 3), Block()

    def forward(self, x):
        return checkpoint(self.block, self.stem(x), use_reentrant=FLAG)
"""
FED_BACK = """\
class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)

    def forward(self, x, STATE=None):
        if STATE is None:
            held = x.new_zeros(3)
        else:
            (held,) = STATE
        CHANGE
        return torch.sigmoid(x) * held * held, [held]
"""
HEAD_OF_A_ZOO = """\
import zoo

class Model(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.parts = zoo.build(spec)

    def rescale(self):
        head = self.parts[-1]
        b = head.bias.view(2, -1)
        CHANGE
        head.bias = nn.Parameter(b.view(-1))
"""
PRETRAINED = """\
from torchvision import models

def widen(old):
    net = models.resnet18()
    net.conv1.weight[:, :3] = old
    return net
"""
FOUND = {
    "state that is fed back": (FED_BACK.replace("STATE", "memory").replace("CHANGE", "held += self.lin(x)"), 11),
    "a bias that becomes a new parameter": (HEAD_OF_A_ZOO.replace("CHANGE", "b[:, 0] += 1.0"), 11),
    "a weight of a pretrained network": (PRETRAINED, 5),
    "an optimizer of one's own": (OWN_OPTIMIZER.replace("OPERATION", "add_"), 11),
    "functional_call": (STATELESS.replace("CHANGE", "fast[name] -= 0.1 * grad"), 8),
    "an inference tensor": (INFERENCE.replace("MODE", "inference_mode"), 6),
    "a frozen embedding": (FROZEN.replace("PREFIX", "'1.'"), 6),
    "full backward hooks": (WRAPPED.replace("FLAG", "True"), 5),
    "an LSTM's result": (RECURRENT.replace("RNN_KIND", "LSTM(3, 3)"), 9),
    "a reentrant checkpoint": (CHECKPOINTED.replace("FLAG", "True"), 9),
    "load_state_dict": (LOADED.replace("FIRST", FORWARD).replace("SECOND", "loss.backward()"), 4),
    "GradScaler": (
        SCALED.replace("FIRST", "loss_g = disc(fake).sum()").replace("SECOND", "scaler.scale(loss_g).backward()"),
        9,
    ),
    "LBFGS": (CLOSURE.replace("OUTSIDE", FORWARD).replace("INSIDE", "opt.zero_grad()"), 9),
    "dropout of any rate": (DROPPED.replace("OPERATION", "exp"), 9),
    "a pre-hook": (PRE_HOOK.replace("CHANGE", "x -= 1"), 3),
    "an embedding with max_norm": (RENORMALISED, 9),
    "a module as the default": (DEFAULT.replace("ACT", "nn.ReLU()"), 9),
}


@pytest.mark.parametrize("name", FOUND)
def test_finds(tmp_path: Path, name: str) -> None:
    source, line = FOUND[name]
    assert line in {at for _, at in errors(tmp_path, source)}


SILENT = {
    "state that is computed anew": FED_BACK.replace("STATE", "memory").replace("CHANGE", "held = held + self.lin(x)"),
    "a cache that is fed back": FED_BACK.replace("STATE", "kv_cache").replace("CHANGE", "held += self.lin(x)"),
    "memory for the result": FED_BACK.replace("STATE", "out").replace("CHANGE", "held += self.lin(x)"),
    "a bias that becomes a new parameter": HEAD_OF_A_ZOO.replace("CHANGE", "b = b + 1.0"),
    "a weight of a pretrained network": PRETRAINED.replace("net.conv1.weight[", "net.conv1.weight.data["),
    "an optimizer of one's own": OWN_OPTIMIZER.replace("OPERATION", "data.add_"),
    "functional_call": STATELESS.replace("CHANGE", "fast[name] = fast[name] - 0.1 * grad"),
    "no inference tensor": INFERENCE.replace("MODE", "no_grad"),
    "an embedding that learns": FROZEN.replace("PREFIX", "'0.'"),
    "full backward hooks": WRAPPED.replace("FLAG", "False"),
    "a GRU's result": RECURRENT.replace("RNN_KIND", "GRU(3, 3)"),
    "a checkpoint that isn't reentrant": CHECKPOINTED.replace("FLAG", "False"),
    "load_state_dict": LOADED.replace("FIRST", "").replace("SECOND", f"{FORWARD}\nloss.backward()"),
    "GradScaler": SCALED.replace("FIRST", "").replace("SECOND", "scaler.scale(disc(fake).sum()).backward()"),
    "LBFGS": CLOSURE.replace("OUTSIDE", "").replace("INSIDE", FORWARD),
    "dropout of any rate": DROPPED.replace("OPERATION", "neg"),
    "a pre-hook": PRE_HOOK.replace("CHANGE", "x = x - 1"),
    "a module as the default": DEFAULT.replace("ACT", "nn.Identity()"),
}


@pytest.mark.parametrize("name", SILENT)
def test_stays_silent(tmp_path: Path, name: str) -> None:
    assert errors(tmp_path, SILENT[name]) == set()
