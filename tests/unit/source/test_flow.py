"""What the data flow sees, one small program each: what must be found, and what must not."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from gradsan import knowledge
from gradsan.rules import judge
from gradsan.source.entries import Analyst, analyse
from gradsan.source.project import Project

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def errors(tmp_path: Path, source: str, **others: str) -> set[tuple[str, int]]:
    """The rules and lines (after the imports) of what surely breaks."""
    for name, text in others.items():
        (tmp_path / f"{name}.py").write_text(HEAD + dedent(text))
    path = tmp_path / "program.py"
    path.write_text(HEAD + dedent(source))
    analyst = Analyst(Project(), knowledge.load("torch"))
    found = set()
    for inference in analyse(analyst, analyst.project.load(path)):
        diagnostic = judge(inference.history)
        if diagnostic is not None and inference.is_sure and diagnostic.primary is not None:
            found.add((diagnostic.code, diagnostic.primary.line - HEAD.count("\n")))
    return found


BREAKS = {
    "what is asked for its dimensions may be a tensor still": (
        """\
        def f(x):
            n = x.numel() / x.dim()
            y = x.exp()
            y.add_(1)
            return y / n
        """,
        ("GS101", 4),
    ),
    "parts of a network that are named as methods of a tensor are": (
        """\
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.softmax = nn.Softmax(dim=-1)
                self.relu = nn.ReLU(inplace=True)

            def forward(self, x):
                return self.relu(self.softmax(x))
        """,
        ("GS101", 8),
    ),
    "saved result": (
        """\
        def f(x):
            y = torch.sigmoid(x)
            y += 1
            return y
        """,
        ("GS101", 3),
    ),
    "saved input": (
        """\
        def f(x, a):
            h = x.unsqueeze(0) * 2
            y = h.pow(2)
            h.add_(1)
            return y
        """,
        ("GS101", 4),
    ),
    "through a view": (
        """\
        def f(x):
            y = torch.exp(x)
            y[:, 0] = 0.0
            return y
        """,
        ("GS101", 3),
    ),
    "one branch only": (
        """\
        def f(x, shift=None):
            y = torch.tanh(x)
            if shift is not None:
                y += shift
            return y
        """,
        ("GS101", 4),
    ),
    "next iteration": (
        """\
        def f(x, n):
            state = torch.zeros(3)
            total = 0
            for _ in range(n):
                state += x.sigmoid()
                total = total + state.pow(2).sum() * x.sum()
            return total
        """,
        ("GS101", 5),
    ),
    "a method of the class": (
        """\
        class A(nn.Module):
            def squash(self, x):
                return torch.tanh(x)

            def forward(self, x):
                y = self.squash(x)
                y *= 2
                return y
        """,
        ("GS101", 7),
    ),
    "leading activation in place": (
        """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)
                self.act = nn.Sigmoid()
                self.drop = nn.Dropout(0.1, inplace=True)

            def forward(self, x):
                return self.drop(self.act(self.fc(x)))
        """,
        ("GS101", 9),
    ),
    "leaf": (
        """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.zeros(3))

            def tie(self):
                self.weight[0] = 1.0
        """,
        ("GS202", 7),
    ),
    "row of an unpacked tensor": (
        """\
        def f(x):
            a, b = torch.sigmoid(x).unbind(0)
            a += 1
            return a + b
        """,
        ("GS203", 3),
    ),
    "a base whose parts are used afterwards": (
        """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 6)

            def forward(self, x):
                both = self.fc(x)
                value, gate = both.chunk(2, -1)
                both += 1
                return value * gate
        """,
        ("GS203", 9),
    ),
    "a base whose view a custom function returned": (
        """\
        class Alias(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x[:]

            @staticmethod
            def backward(ctx, grad):
                return grad

        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)

            def forward(self, x):
                h = self.fc(x)
                y = Alias.apply(h)
                h.neg_()
                return y.exp()
        """,
        ("GS205", 18),
    ),
    "a dirty mark on a parameter": (
        """\
        class Clip(torch.autograd.Function):
            @staticmethod
            def forward(ctx, weight):
                ctx.mark_dirty(weight)
                weight.clamp_(-1, 1)
                return weight

            @staticmethod
            def backward(ctx, grad):
                return grad

        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.zeros(3))

            def forward(self, x):
                return x * Clip.apply(self.weight)
        """,
        ("GS210", 4),
    ),
    "a dirty mark that is not returned": (
        """\
        class Round(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, step):
                x.mul_(step)
                ctx.mark_dirty(x)
                return x / step

            @staticmethod
            def backward(ctx, grad):
                return grad, None

        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)

            def forward(self, x):
                return Round.apply(self.fc(x), 8.0)
        """,
        ("GS210", 5),
    ),
    "an operation below the framework's names": (
        """\
        def f(x, bias):
            y = torch.softmax(x, -1)
            torch.ops.aten.add_.Tensor(y, bias)
            return y
        """,
        ("GS101", 3),
    ),
    "a result of a function in inference mode": (
        """\
        @torch.inference_mode()
        def predict(x):
            return x.sigmoid()

        def f(x, weight):
            y = predict(x)
            y -= 1
            return y * weight
        """,
        ("GS207", 7),
    ),
    "a name in a namespace": (
        """\
        import types

        def squash(x):
            y = torch.sigmoid(x)
            return y

        ops = types.SimpleNamespace(squash=squash)

        def f(x):
            y = ops.squash(x)
            y += 1
            return y
        """,
        ("GS101", 11),
    ),
    "a buffer that was expanded": (
        """\
        class A(nn.Module):
            def __init__(self, groups, n):
                super().__init__()
                self.register_buffer("mean", torch.zeros(1, n).expand(groups, n))

            def forward(self, x):
                self.mean.mul_(0.9)
                return x - self.mean
        """,
        ("GS209", 7),
    ),
    "all rows of an expanded tensor": (
        """\
        def f(x, n):
            eye = torch.eye(4).unsqueeze(0).expand(n, -1, -1)
            eye[:, 0] = x
            return eye
        """,
        ("GS209", 3),
    ),
    "rows that are read while they are written": (
        """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)

            def forward(self, x):
                y = self.fc(x)
                y[1:] += y[:-1]
                return y
        """,
        ("GS209", 8),
    ),
    "a mask that is written through itself": (
        """\
        def search(losses, n):
            active = torch.ones(n, dtype=torch.bool)
            while active.any():
                active[active] = torch.sigmoid(losses)[active] > 0.5
            return active
        """,
        ("GS209", 4),
    ),
    "optimizer before backward": (
        """\
        def train(x, y):
            net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            first = (net(x) - y).pow(2).mean()
            second = net(x * 2).pow(2).mean()
            first.backward()
            optimizer.step()
            second.backward()
        """,
        ("GS102", 7),
    ),
    "saved tensor in backward": (
        """\
        class Scale(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, scale):
                ctx.save_for_backward(scale)
                return x * scale

            @staticmethod
            def backward(ctx, grad):
                (scale,) = ctx.saved_tensors
                scale *= grad
                return scale, None
        """,
        ("GS107", 10),
    ),
    "module body": (
        """\
        x = torch.ones(3, requires_grad=True)
        y = x.exp()
        y += 1
        y.sum().backward()
        """,
        ("GS101", 3),
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_finds(tmp_path: Path, name: str) -> None:
    source, expected = BREAKS[name]
    codes = {line: code for code, line in errors(tmp_path, source)}
    assert expected[1] in codes
    assert codes[expected[1]][:3] == expected[0][:3]


HARMLESS = {
    "one of two tuples that a function returns": """\
        def assign(scores, n, work):
            if n == 0:
                return torch.zeros_like(scores), torch.zeros_like(scores)
            return [work(i) for i in range(n)]

        def loss(scores, n, work):
            boxes, targets = assign(scores, n, work)
            total = F.binary_cross_entropy_with_logits(scores, targets)
            boxes /= 2
            return total + boxes.sum()
        """,
    "one of many layers by a number": """\
        class A(nn.Module):
            def __init__(self, n):
                super().__init__()
                layers = [nn.Conv2d(1, 3, 3), nn.ReLU(True)]
                for _ in range(n):
                    layers.append(nn.Conv2d(3, 3, 3))
                    layers.append(nn.ReLU(True))
                self.conv = nn.Sequential(*layers)
                self.n = n

            def forward(self, x):
                x = self.conv[1](self.conv[0](x))
                for i in range(self.n):
                    x = torch.cat([self.conv[i * 2 + 2](part) for part in torch.split(x, 3, 2)], 2)
                return x
        """,
    "a loop over layers that may not be there": """\
        class A(nn.Module):
            def __init__(self, n, m):
                super().__init__()
                self.relu = nn.ReLU(inplace=True)
                self.shared = self.branch(n)
                self.own = self.branch(m)

            def branch(self, n):
                layers = nn.ModuleList()
                if n > 0:
                    for _ in range(n):
                        layers.append(nn.Linear(3, 3))
                return layers

            def forward(self, x):
                for layer in self.shared:
                    x = self.relu(layer(x))
                for layer in self.own:
                    x = self.relu(layer(x))
                return x
        """,
    "a network that is first looked into in inference mode": """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)

            @torch.inference_mode()
            def predict(self, x):
                return self.fc(x)

            def shifted(self, x):
                y = self.predict(x).clone()
                y += 1
                return y

            def load(self, state):
                self.load_state_dict(state)
        """,
    "rows that don't overlap, and copies": """\
        def f(x, n):
            y = torch.zeros(n, 3)
            y[:n] += y[n:]
            y[1:] += y[:-1].clone()
            y[1:] += y[:-1] * 2
            y[1:] += y[1:]
            mask = torch.ones(n, dtype=torch.bool)
            mask[mask] = False
            return y + x, mask
        """,
    "expanded, and copied": """\
        def f(x, n):
            eye = torch.eye(4)[None].expand(n, 4, 4).clone()
            eye[:, 0] = x
            rest = torch.zeros(1, 3).expand(n, 3).contiguous()
            rest.add_(x)
            return eye, rest
        """,
    "expanded to the size it has": """\
        def f(x, n):
            row = torch.zeros(1, 3).expand(1, -1)
            row.add_(x)
            whole = torch.zeros(n, 3).expand(n, 3)
            whole.add_(x)
            return row, whole
        """,
    "a row of an expanded tensor": """\
        def f(x, n):
            rows = torch.zeros(1, 3).expand(n, 3)
            first = rows[0]
            first.add_(x)
            rows.fill_(0)
            rows[rows > 1] = 0
            rows[:, x > 1] = 0
            return rows
        """,
    "a base whose parts were used before": """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 6)

            def forward(self, x):
                both = self.fc(x)
                value, gate = both.chunk(2, -1)
                y = value + gate
                both += 1
                return y + both.sum()
        """,
    "a dirty mark that is returned": """\
        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2)
                ctx.mark_dirty(x)
                return x

            @staticmethod
            def backward(ctx, grad):
                return grad * 2

        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)

            def forward(self, x):
                return Double.apply(self.fc(x))
        """,
    "lists inside lists, detached by a call of itself": """\
        def repackage(h):
            if isinstance(h, torch.Tensor):
                return h.detach()
            return tuple(repackage(v) for v in h)

        def train(data):
            net = nn.Linear(3, 3)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            hidden = [torch.zeros(3)]
            for x in data:
                hidden = repackage(hidden)
                hidden = [net(x + hidden[0])]
                hidden[0].sum().backward(retain_graph=True)
                optimizer.step()
        """,
    "nothing of it was saved": "def f(x):\n    y = x * 2\n    y += 1\n    return y\n",
    "cloned before": "def f(x):\n    y = torch.exp(x).clone()\n    y += 1\n    return y\n",
    "written before it is saved": "def f(x):\n    y = x * 2\n    y += 1\n    return y.exp()\n",
    "no gradient": "def f(x):\n    with torch.no_grad():\n        y = torch.exp(x)\n        y += 1\n    return y\n",
    "decorated": "@torch.no_grad()\ndef f(x):\n    y = torch.exp(x)\n    y += 1\n    return y\n",
    "other path": (
        "def f(x, flag):\n    y = x * 2\n    if flag:\n        y = torch.exp(x)\n    if not flag:\n        y += 1\n    return y\n"
    ),
    "rebound": "def f(x):\n    y = torch.exp(x)\n    y = y + 1\n    y += 1\n    return y\n",
    "number": "def f(x):\n    n = 0\n    n += 1\n    return x * n\n",
    "result is dropped": "def f(x):\n    print(x.pow(2).sum().item())\n    h = x * 1\n    return h\n",
    "constant": "def f(x):\n    m = torch.zeros(3)\n    m[0] = 1\n    return x * m\n",
    "reciprocal of a tensor": "def f(x):\n    d = 1.0 / x\n    d[d == float('inf')] = 0\n    return d\n",
    "linear then relu in place": (
        "class A(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 3)\n"
        "    def forward(self, x):\n        h = self.fc(x)\n        h += 1\n        return h\n"
    ),
    "backward came first": (
        "def train(x):\n    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))\n"
        "    opt = torch.optim.SGD(net.parameters(), lr=0.1)\n    for _ in range(3):\n        opt.zero_grad()\n"
        "        net(x).sum().backward()\n        opt.step()\n"
    ),
    "initialised": (
        "class A(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.w = nn.Parameter(torch.zeros(3))\n"
        "        nn.init.normal_(self.w)\n        self.w.data.fill_(1)\n        with torch.no_grad():\n            self.w[0] = 1\n"
    ),
    "unknown": "def f(x, act):\n    y = act(x)\n    y += 1\n    return y\n",
    "copied where it is float32": (
        "def f(x):\n    p = torch.exp(x)\n    q = p.clone() if p.dtype == torch.float32 else p.float()\n    q += 1\n    return p + q\n"
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_stays_silent(tmp_path: Path, name: str) -> None:
    assert errors(tmp_path, HARMLESS[name]) == set()


def test_follows_calls_into_other_files(tmp_path: Path) -> None:
    source = """\
    from layers import squash, shift_

    def f(x):
        y = squash(x)
        shift_(y)
        return y
    """
    layers = """\
    def squash(x):
        return torch.sigmoid(x)

    def shift_(x):
        x += 1
    """
    assert errors(tmp_path, source, layers=layers) == {("GS101", 5)}


@pytest.mark.parametrize(
    ("source", "conditions"),
    [
        ("def f(x, norm):\n    y = torch.exp(x)\n    if norm:\n        y /= 2\n    return y\n", ["if `norm` is true"]),
        (
            "if __name__ == '__main__':\n    x = torch.ones(2, requires_grad=True)\n"
            "    y = torch.exp(x)\n    y += 1\n    y.sum().backward()\n",
            [],
        ),
    ],
    ids=["a parameter", "being the program"],
)
def test_says_under_which_condition(tmp_path: Path, source: str, conditions: list[str]) -> None:
    path = tmp_path / "program.py"
    path.write_text(HEAD + source)
    analyst = Analyst(Project(), knowledge.load("torch"))
    (inference,) = analyse(analyst, analyst.project.load(path))
    assert [note for note in inference.history.notes if note.startswith("if ")] == conditions


def test_a_private_helper_is_judged_where_it_is_called(tmp_path: Path) -> None:
    source = """\
    def _shift(x):
        y = torch.exp(x)
        y += 1
        return y

    @torch.no_grad()
    def preview(x):
        return _shift(x)
    """
    assert errors(tmp_path, source) == set()


UNLIKELY = {
    "one step of generation": """\
        def step(x, state):
            seq_len = x.shape[1]
            if seq_len == 1:
                y = torch.exp(x)
                y += 1
                return y
            return x
        """,
    "a state that the caller keeps": """\
        class Mixer(nn.Module):
            def __init__(self):
                super().__init__()
                self.mix = nn.Parameter(torch.zeros(3))

            def forward(self, x, state):
                shifted = state[0][..., 1]
                y = x + shifted * self.mix
                state[0][..., 1] = x
                return y
        """,
    "one of several layers by name": """\
        ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "selu": nn.SELU}

        class A(nn.Module):
            def __init__(self, name):
                super().__init__()
                act = ACTIVATIONS[name]()
                if hasattr(act, "inplace"):
                    act.inplace = True
                self.module = nn.Sequential(nn.Linear(3, 3), act, nn.Linear(3, 3))

            def forward(self, x):
                return self.module(x)
        """,
    "a broadcast of a parameter": """\
        import torch.distributed as dist

        def synchronise(module: nn.Module):
            for parameter in module.parameters():
                dist.broadcast(parameter, src=0)
        """,
    "a conversion in backward that may copy": """\
        class Scale(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, weight):
                ctx.save_for_backward(weight)
                return x

            @staticmethod
            def backward(ctx, grad):
                (weight,) = ctx.saved_tensors
                weight = weight.to(grad.dtype)
                return grad * weight.mul_(2), None
        """,
    "a tuple in a tree of tensors": """\
        def tree_map(fn, tree):
            if isinstance(tree, tuple):
                return tuple(tree_map(fn, x) for x in tree)
            elif isinstance(tree, torch.Tensor):
                return fn(tree)
            raise TypeError

        def by_chunks(layer, x, n):
            out = None
            for i in range(n):
                chunk = layer(x[i])
                if out is None:
                    out = tree_map(lambda t: t.new_zeros(3), chunk)
                if isinstance(chunk, tuple):
                    for part, piece in zip(out, chunk):
                        part[i] = piece
                else:
                    out[i] = chunk
            return out
        """,
    "what is iterated over where something else is a tuple": """\
        def by_chunks(layer, x, out):
            out = out.view(3, -1) if isinstance(out, torch.Tensor) else tuple(part.view(3, -1) for part in out)
            chunk = layer(x)
            if isinstance(chunk, tuple):
                for part, piece in zip(out, chunk):
                    part[0] = piece
            return out
        """,
    "a parameter that is unpacked, and was a tensor on one path": """\
        def shift(pair, scale):
            a, b = pair
            b += scale.log()
            return a + b

        class A(nn.Module):
            def __init__(self, layer=None):
                super().__init__()
                self.layer = nn.Linear(3, 3) if layer is None else layer

            def forward(self, x, scale):
                y = self.layer(x)
                if isinstance(y, tuple):
                    y = tuple(z.mT for z in y)
                else:
                    y = y.mT
                return shift(y, scale)
        """,
    "gradients switched off through a module that was handed in": """\
        def fill(torch, layer: nn.Linear):
            with torch.no_grad():
                layer.weight.copy_(torch.zeros(3, 3))
        """,
    "a loop over what is a tensor on other paths": """\
        def scatter(data, out):
            if isinstance(data, torch.Tensor):
                out.copy_(data)
                return out.shape
            for each, part in zip(data, out):
                part.copy_(each)
        """,
    "a setting for inference": """\
        class A(nn.Module):
            def __init__(self, is_inference):
                super().__init__()
                self.is_inference = is_inference
                self.fc = nn.Linear(3, 3)

            def forward(self, x):
                y = torch.sigmoid(self.fc(x))
                if self.is_inference:
                    y *= 2
                return y
        """,
}


@pytest.mark.parametrize("name", UNLIKELY)
def test_is_not_sure_of(tmp_path: Path, name: str) -> None:
    assert errors(tmp_path, UNLIKELY[name]) == set()
