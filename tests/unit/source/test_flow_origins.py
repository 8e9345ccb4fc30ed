"""What shows that a gradient may flow to something, or that none does."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

TOLD = {
    "an optimizer steps a network that the project doesn't define": """\
import networks

def fit(loader):
    net = networks.Net(3)
    opt = torch.optim.Adam(net.parameters())
    for x, y in loader:
        shares = torch.exp(net(x))
        shares /= shares.sum(1, keepdim=True)
        loss = (shares - y).abs().sum()
        loss.backward()
        opt.step()
""",
    "one of many ways to compute a value gives a view of several": """\
class Attention(nn.Module):
    def __init__(self, is_split):
        super().__init__()
        self.is_split = is_split
        self.one, self.two, self.all = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 12)

    def query(self, x):
        return self.one(x) if self.is_split else self.two(x)

    def forward(self, x, y, z):
        if x.data_ptr() == y.data_ptr() == z.data_ptr():
            q, k, v = self.all(x).chunk(3, dim=-1)
        elif y.data_ptr() == z.data_ptr():
            q, k, v = self.query(x), self.one(y), self.two(y)
        else:
            q, k, v = self.query(x), self.one(y), self.two(z)
        q *= 0.5
        return q + k + v
""",
    "a matrix that was moved is added to its transpose": """\
def symmetric(row, device):
    whole = torch.zeros((3, 3)).to(device)
    whole[0] = row
    whole += whole.t()
    return whole
""",
    "a layer is frozen in one branch only": """\
class Net(nn.Module):
    def __init__(self, freeze):
        super().__init__()
        self.emb = nn.Embedding(5, 3)
        if freeze:
            self.emb.weight.requires_grad = False
        else:
            self.emb.weight.requires_grad = True

def plug(args, table):
    net = Net(args.freeze)
    net.emb.weight.copy_(table)
    return net
""",
    "a parameter weighs what is new": """\
def balanced(shares):
    weights = shares[0] * torch.ones(3)
    shares.add_(1)
    weights /= torch.min(weights)
    return weights
""",
    "an object of the project's is made of tensors": """\
class Beam:
    def __init__(self, particles: torch.Tensor):
        self.particles = particles

def kick(beam: Beam):
    columns = beam.particles
    squared = columns[:, 1] ** 2
    columns[:, 5] = squared
    return columns
""",
    "a node of a tree is computed from its parent": """\
def chain(turns, parents):
    whole = turns.clone()
    for i in range(1, 24):
        whole[:, i] = torch.matmul(whole[:, parents[i]], turns[:, i])
    return whole
""",
    "a function defines a network": """\
def init_head(scale):
    class Scaled(nn.Module):
        def forward(self, x):
            spread = x.norm(dim=-1, keepdim=True)
            x /= spread
            return x * scale
    return nn.Sequential(nn.Linear(3, 3), Scaled())
""",
    "a network reduces what its forward is given": """\
class Shifted(nn.Module):
    def forward(self, x):
        x -= x.min()
        return x * 2
""",
    "a network that a library made encodes it": """\
from elsewhere import load

class Score(nn.Module):
    def __init__(self):
        super().__init__()
        self.image_model, _ = load("small")

    def forward(self, picture):
        found = self.image_model.encode_image(picture)
        found /= found.norm(dim=-1, keepdim=True)
        return found
""",
    "a private method fills in what a base class leaves open": """\
class Map:
    def __call__(self, x):
        return self._apply(x)

    def _apply(self, x):
        raise NotImplementedError

class Softened(Map):
    def _apply(self, x):
        y = x.exp()
        y /= y.sum(-1, keepdim=True)
        return y
""",
    "a private method fills in what a class of the framework leaves open": """\
from torch.distributions import Transform

class Softened(Transform):
    def _call(self, x):
        y = x.exp()
        y /= y.sum(-1, keepdim=True)
        return y
""",
    "an operation that the framework has no more saved its results": """\
def roots_of(gram):
    values, vectors = torch.symeig(gram, eigenvectors=True)
    values[values < 0] = 0
    return values.sqrt(), vectors
""",
    "a private helper is called by what isn't private": """\
def _normalised(x):
    norm = x.norm(dim=1)
    x /= norm.unsqueeze(1)
    return x

def similarity(x, y):
    return _normalised(x) @ _normalised(y).T
""",
    "what is made a mask of is no index itself": """\
def first(spikes: torch.Tensor):
    seen = torch.zeros_like(spikes[0]).bool()
    out = []
    for t in range(spikes.size(0)):
        out.append(torch.where(seen, torch.zeros_like(spikes[t]), spikes[t]))
        seen[spikes[t].bool()] = True
    return torch.stack(out)
""",
    "shape, dtype and device are a tensor's": """\
def powers(x, order):
    y = torch.empty(order + 1, *x.shape, dtype=x.dtype, device=x.device)
    y[0] = 1.0
    for i in range(1, order + 1):
        y[i] = y[i - 1] * x
    return y
""",
    "a method is asked as only a tensor's is": """\
def standardised(x):
    spread = x.std(-1, keepdim=True)
    x -= 1
    return x / spread
""",
    "a dimension has a number": """\
def standardised(x):
    spread = x.var(dim=0)
    x -= 1
    return x / spread
""",
    "a network hands it to layers of another library": """\
from elsewhere import ConvModule

class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = ConvModule(3, 3)

    def forward(self, x):
        first, second = torch.split(self.block(x), 1, 1)
        first += second
        return first
""",
    "a layer is named by a default": """\
class A(nn.Module):
    def __init__(self, activation: str = "ReLU"):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.activation = getattr(nn, activation)()

    def forward(self, x):
        y = self.activation(self.linear(x))
        y += x
        return y
""",
    "a sparse tensor is saved by what makes it": """\
def laplacian(indices, weights):
    graph = torch.sparse_coo_tensor(indices, weights.exp(), (4, 4))
    graph += graph.t()
    return graph
""",
    "an annotation gives a shape": """\
from jaxtyping import Float
from torch import Tensor

def squashed(x: Float[Tensor, "batch time"]):
    y = x.exp()
    y += 1
    return y
""",
    "a constructor writes a parameter through a method": """\
class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.input = nn.Linear(3, 3)
        self._zero()

    def _zero(self):
        weight = self.input.weight
        weight[:, 0] = 0.0
""",
    "a second tensor brings the gradient of a minimum": """\
def bounded(points: torch.Tensor):
    limit = torch.ones(3)
    t = points * 2
    t[..., 0] = t[..., 2] * torch.min(limit, torch.max(-limit, t[..., 0] / t[..., 2]))
    return t
""",
    "the place of a maximum is an index, what it was searched in is none": """def nearest(points, others):
    scores = points.exp()
    best = scores.max(dim=1, keepdim=True)[1]
    found = torch.gather(others, 1, best)
    scores -= 1
    return scores, found
""",
    "a list of layers is handed on with a star": """class A(nn.Module):
    def __init__(self, n):
        super().__init__()
        layers = nn.ModuleList([])
        for _ in range(n):
            layers.append(nn.Linear(3, 3))
            layers.append(nn.ReLU())
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        y = self.net(x)
        y *= 2.0
        return y
""",
    "a layer is for a number of dimensions": """\
class A(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = getattr(nn, "Conv{}d".format(n))(3, 3, 1)
        self.norm = getattr(nn, f"BatchNorm{n}d")(3)

    def forward(self, x):
        y = self.norm(x.exp())
        z = self.conv(y)
        y += 1
        return z
""",
    "layers are put in one order or another": """\
def put(block, layer):
    if layer is not None:
        block.append(layer)

class A(nn.Module):
    def __init__(self, activation="ReLU", first=False):
        super().__init__()
        block = nn.ModuleList()
        layer = getattr(nn, activation)() if activation is not None else None
        if first:
            put(block, layer)
            put(block, nn.Conv2d(3, 3, 1))
        else:
            put(block, nn.Conv2d(3, 3, 1))
            put(block, layer)
        self.block = nn.Sequential(*block)

    def forward(self, x):
        y = self.block(x)
        y += x
        return y
""",
    "a layer is given another parameter": """class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 9, 1)
        self.start()

    def start(self):
        bias = self.conv.bias.view(3, -1)
        bias[:, 1] += 0.5
        self.conv.bias = nn.Parameter(bias.view(-1))
""",
    "what predicts calls the network by its method": """class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        y = self.linear(x).sigmoid()
        y += 1
        return y

    @torch.no_grad()
    def predict(self, x):
        return self.forward(x)
""",
    "only a docstring calls it": """class A(nn.Module):
    def __init__(self, size):
        '''Args:
            size: What loss(x) divides by.
        '''
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def loss(self, x):
        y = self.linear(x).sigmoid()
        y += 1
        return y.sum()
""",
}
QUIET = {
    "the network that the project doesn't define is frozen": """\
import networks

def fit(loader):
    net = networks.Net(3)
    for p in net.parameters():
        p.requires_grad = False
    gain = torch.zeros(3, requires_grad=True)
    opt = torch.optim.Adam([gain])
    for x, y in loader:
        shares = torch.exp(net(x))
        shares /= shares.sum(1, keepdim=True)
        loss = (shares * gain - y).abs().sum()
        loss.backward()
        opt.step()
""",
    "none of many ways to compute a value gives a view of several": """\
class Attention(nn.Module):
    def __init__(self, is_split):
        super().__init__()
        self.is_split = is_split
        self.one, self.two, self.all = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 12)

    def query(self, x):
        return self.one(x) if self.is_split else self.two(x)

    def forward(self, x, y, z):
        if x.data_ptr() == y.data_ptr() == z.data_ptr():
            q, k, v = (part.clone() for part in self.all(x).chunk(3, dim=-1))
        elif y.data_ptr() == z.data_ptr():
            q, k, v = self.query(x), self.one(y), self.two(y)
        else:
            q, k, v = self.query(x), self.one(y), self.two(z)
        q *= 0.5
        return q + k + v
""",
    "a matrix that was moved is added to a copy of its transpose": """\
def symmetric(row, device):
    whole = torch.zeros((3, 3)).to(device)
    whole[0] = row
    whole += whole.t().clone()
    return whole
""",
    "a layer is frozen in each branch": """\
class Net(nn.Module):
    def __init__(self, freeze):
        super().__init__()
        self.emb = nn.Embedding(5, 3)
        if freeze:
            self.emb.weight.requires_grad = False
        else:
            self.emb.weight.requires_grad = False

def plug(args, table):
    net = Net(args.freeze)
    net.emb.weight.copy_(table)
    return net
""",
    "boxes are made of tensors, and compared": """\
class Boxes:
    def __init__(self, tensor: torch.Tensor):
        self.tensor = tensor

def overlaps(boxes: Boxes):
    sides = boxes.tensor
    sides[:, 2:4] = sides[:, 2:4].clamp(min=1e-4)
    return sides
""",
    "a new tensor has as many elements as a parameter says": """\
def balanced(shares):
    weights = shares[0] * torch.ones(shares[0])
    shares.add_(1)
    weights /= torch.min(weights)
    return weights
""",
    "an object of the project's is made of settings": """\
class Settings:
    def __init__(self, name: str):
        self.name = name

def kick(settings: Settings):
    columns = settings.table
    squared = columns[:, 1] ** 2
    columns[:, 5] = squared
    return columns
""",
    "a list of index tensors copies": """\
def chain(turns, groups):
    whole = turns.clone()
    for i in range(1, 24):
        whole[:, i] = torch.matmul(whole[:, groups[i]], turns[:, i])
    return whole
""",
    "a test defines a network": """\
def test_scaled():
    class Scaled(nn.Module):
        def forward(self, x):
            spread = x.norm(dim=-1, keepdim=True)
            x /= spread
            return x
    assert Scaled()(torch.ones(3)).sum() > 0
""",
    "a function reduces what may be an array": """\
def shifted(x):
    x -= x.min()
    return x * 2
""",
    "what a network holds generates without gradients": """\
from elsewhere import load

class Score(nn.Module):
    def __init__(self):
        super().__init__()
        self.image_model, _ = load("small")

    def forward(self, picture):
        found = self.image_model.generate(picture)
        found /= found.norm(dim=-1, keepdim=True)
        return found
""",
    "a private method is its own class's matter": """\
class Softened:
    def __call__(self, x):
        return self._apply(x.detach())

    def _apply(self, x):
        y = x.exp()
        y /= y.sum(-1, keepdim=True)
        return y
""",
    "an operation that the framework has no more is left alone": """\
def roots_of(gram):
    values, vectors = torch.symeig(gram, eigenvectors=True)
    values = values.clamp(min=0)
    return values.sqrt(), vectors
""",
    "a method is asked as an array's is": """\
def standardised(x):
    spread = x.std(axis=-1, keepdims=True)
    x -= 1
    return x / spread
""",
    "the largest values along a dimension that the caller chooses": """\
def logsumexp(x, dim):
    largest, _ = x.max(dim=dim)
    shifted = x - largest.masked_fill_(largest.isinf(), 0).unsqueeze(dim)
    return shifted.exp().sum(dim).log() + largest
""",
    "a dimension has a name": """\
def standardised(x):
    spread = x.std(dim="time")
    x -= 1
    return x / spread
""",
    "NumPy takes it": """\
import numpy as np

def projected(points):
    near = points / points[..., 2:]
    flat = near[..., :2]
    square = (flat**2).sum(-1)
    near[..., :2] = flat * square[..., None] + np.outer(square, [0.1, 0.2])
    return near
""",
    "NumPy made it": """\
import numpy as np

class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, field):
        return x * torch.from_numpy(field.copy())

    @staticmethod
    def backward(ctx, grad):
        return grad, None

def total(x):
    field = np.ones(4)
    y = Scaled.apply(x, field)
    field[1:] += field[:-1]
    return y.sum()
""",
    "it has methods that tensors have not": """\
def forward(semiring, scores, trans, mask):
    scores = semiring.convert(scores)
    alpha = semiring.mul(trans[-1], scores[0])
    for i in range(1, len(mask)):
        alpha[mask[i]] = semiring.dot(alpha.unsqueeze(2), trans, 1)[mask[i]]
    return semiring.unconvert(alpha)
""",
    "an annotation tells integers": """\
from jaxtyping import Bool
from torch import Tensor

def counted(x: Bool[Tensor, "batch time"]):
    y = x.exp()
    y += 1
    return y
""",
    "an annotation tells arrays": """\
import numpy as np
from jaxtyping import Float

def squashed(x: Float[np.ndarray, "batch time"]):
    y = x.exp()
    y += 1
    return y
""",
    "a method of an optimizer serves its step": """\
class Flat(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})

    def _set(self, value):
        for group in self.param_groups:
            for p in group["params"]:
                p.copy_(value[: p.numel()].view_as(p))

    @torch.no_grad()
    def step(self, search):
        search(self._set)
""",
    "a tokenizer takes texts": """\
class A(nn.Module):
    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, lines):
        first, second = torch.split(self.tokenizer(lines), 1, 1)
        first += second
        return first
""",
}
AVERAGED = """\
import copy

class Average:
    def __init__(self, model):
        self.model = model
        self.average = copy.deepcopy(model)
        for parameter in self.average.parameters():
            {freeze}

    def decay(self):
        for parameter in self.{which}.parameters():
            parameter.mul_(0.9)

    def grow(self):
        for parameter in self.{which}.parameters():
            parameter.mul_(1.1)
"""


MODES = """\
def as_asked(step):
    def wrapped(self):
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(self.defaults["differentiable"])
        try:
            return step(self)
        finally:
            torch.set_grad_enabled(before)
    return wrapped

class Sign(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {{"differentiable": False}})

    {decorator}
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad.sign(), alpha=-0.1)
"""
CHAIN = """\
class Split:
    {decorator}
    def run(self, layer):
        return self._each(layer)

    def _each(self, layer):
        return self._parts(layer)

    def _parts(self, layer):
        return self._one(layer)

    def _one(self, layer):
        return self._like(layer)

    def _like(self, layer):
        made = nn.Linear(3, 3)
        made.weight.copy_(layer.weight)
        return made
"""


@pytest.mark.parametrize("program", TOLD.values(), ids=TOLD.keys())
def test_a_gradient_may_flow_where(tmp_path: Path, program: str) -> None:
    assert errors(tmp_path, program)


@pytest.mark.parametrize("program", QUIET.values(), ids=QUIET.keys())
def test_no_gradient_flows_where(tmp_path: Path, program: str) -> None:
    assert not errors(tmp_path, program)


@pytest.mark.parametrize(
    "freeze", ["parameter.requires_grad = False", "parameter.detach_()", "parameter.requires_grad_(False)"]
)
def test_what_a_constructor_freezes_is_frozen_for_all_methods(tmp_path: Path, freeze: str) -> None:
    assert not errors(tmp_path, AVERAGED.format(freeze=freeze, which="average"))


def test_what_a_copy_was_made_of_is_not_frozen_with_it(tmp_path: Path) -> None:
    program = AVERAGED.format(freeze="parameter.requires_grad = False", which="model")
    assert {code for code, _ in errors(tmp_path, program)} == {"GS201"}


@pytest.mark.parametrize(("decorator", "is_told"), [("@as_asked", False), ("", True)])
def test_a_decorator_may_set_the_mode(tmp_path: Path, decorator: str, *, is_told: bool) -> None:
    assert bool(errors(tmp_path, MODES.format(decorator=decorator))) is is_told


@pytest.mark.parametrize(("decorator", "is_told"), [("@torch.no_grad()", False), ("", True)])
def test_the_mode_is_that_of_a_distant_caller(tmp_path: Path, decorator: str, *, is_told: bool) -> None:
    assert bool(errors(tmp_path, CHAIN.format(decorator=decorator))) is is_told
