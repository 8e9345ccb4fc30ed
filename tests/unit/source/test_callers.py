"""Whether a caller in the project brings the gradient that a function breaks."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from gradsan.tasks.check import CheckOptions, check

HEAD = "import torch\nimport torch.nn as nn\n"

CALLED_WITHOUT = {
    "where no gradients are recorded": """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = nn.LayerNorm(3)

            def _update(self, pairs):
                for at in range(3):
                    rows = pairs[:, at]
                    rows += self.norm(rows)
                return pairs

            def forward(self, pairs):
                if not torch.is_grad_enabled() and not self.training:
                    return self._update(pairs)
                return pairs + self.norm(pairs)
        """,
    "with the data of weights": """\
        def project(rows):
            norm = rows.norm(dim=-1, keepdim=True)
            norm += 1
            return rows / norm

        def after_backward(module, grads, outputs):
            project(module.weights.data)
        """,
    "a private helper": """\
        def _squash(x):
            y = torch.sigmoid(x)
            y += 1
            return y

        class A(nn.Module):
            def __init__(self, image):
                super().__init__()
                self.register_buffer("image", _squash(image.detach()))
        """,
    "beside a value of the same name": """\
        def grad(x):
            y = torch.sigmoid(x)
            y += 1
            return y

        def weights(x, grad=False):
            return x if grad else -x

        @torch.no_grad()
        def look(x):
            return grad(x)
        """,
    "with detached values": """\
        def squash(x):
            y = torch.sigmoid(x)
            y += 1
            return y

        def scale(layer):
            return squash(layer.weight.data.clone())
        """,
    "by what is only called with detached values": """\
        def clip_(shift, image):
            bound = torch.clamp(shift, -1, 1)
            shift += image + bound
            return shift

        def perturb(image):
            shift = torch.zeros_like(image)
            for _ in range(3):
                shift = clip_(shift, image)
            return shift

        class Attack:
            def forward(self, image):
                return perturb(image.clone().detach())
        """,
    "inside a custom function": """\
        def solve(a, b):
            y = torch.exp(a)
            y -= b
            return y

        class Solve(torch.autograd.Function):
            @staticmethod
            def forward(ctx, a, b):
                return solve(a, b)

            @staticmethod
            def backward(ctx, grad):
                return grad, grad
        """,
    "inside a custom function, by name": """\
        def solve(a, b):
            y = torch.exp(a)
            y -= b
            return y

        class Solve(torch.autograd.Function):
            @staticmethod
            def forward(ctx, a, b, method):
                return {"solve": solve}[method](a, b)

            @staticmethod
            def backward(ctx, grad):
                return grad, grad
        """,
    "with gradients off, two calls away": """\
        def update(layer):
            for p in layer.parameters():
                p.add_(1)

        def refresh(layer):
            update(layer)

        def train(layer):
            with torch.no_grad():
                refresh(layer)
        """,
    "in evaluation mode": """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)

            def window(self, weights):
                peak = weights.max()
                weights[:, 0] = peak
                return weights

            def forward(self, x):
                weights = self.fc(x)
                if not self.training:
                    weights = self.window(weights)
                return weights
        """,
    "without the option that breaks it": """\
        def normalise(x, inplace=False):
            norm = x.norm()
            if not inplace:
                return x / norm
            x /= norm
            return x

        def similarity(a, b):
            return normalise(a) @ normalise(b)
        """,
    "in evaluation mode, as a check at the beginning says": """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)

            def decode(self, x):
                words = torch.exp(self.fc(x))
                words[:, 0] = 0
                return words

            def forward(self, x, target=None):
                if self.training and target is None:
                    raise ValueError
                if target is not None:
                    return self.fc(target)
                else:
                    return self.decode(x)
        """,
}

CALLED_WITH = {
    "in a private method, with its own weights": """\
        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = nn.LayerNorm(3)

            def _update(self, pairs):
                for at in range(3):
                    rows = pairs[:, at]
                    rows += self.norm(rows)
                return pairs

            def forward(self, pairs):
                return self._update(pairs)
        """,
    "a private helper": """\
        def _squash(x):
            y = torch.sigmoid(x)
            y += 1
            return y

        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)

            def forward(self, data):
                return _squash(self.fc(data))
        """,
    "a private class": """\
        class _Squash(nn.Module):
            def forward(self, x):
                y = torch.sigmoid(x)
                y += 1
                return y

        def block(x):
            return _Squash()(x)
        """,
    "what the caller's caller passes": """\
        def squash(x):
            y = torch.sigmoid(x)
            y += 1
            return y

        def block(x):
            return squash(x * 2)
        """,
    "what a network gives": """\
        def squash(x):
            y = torch.sigmoid(x)
            y += 1
            return y

        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)

            def forward(self, data):
                return squash(self.fc(data))
        """,
    "one call with gradients, another without": """\
        def squash(x):
            y = torch.sigmoid(x)
            y += 1
            return y

        @torch.no_grad()
        def look(x):
            return squash(x)

        def block(x):
            return squash(x)
        """,
    "handed on to a layer": """\
        def squash(x):
            y = torch.sigmoid(x)
            y += 1
            return y

        class A(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.TransformerEncoderLayer(8, 2, activation=squash)
        """,
    "handed on as a value": """\
        def squash(x):
            y = torch.sigmoid(x)
            y += 1
            return y

        def look(x):
            return squash(x.detach())

        ACTIVATIONS = {"squash": squash}
        """,
}


def severities(folder: Path, source: str) -> set[str]:
    (folder / "program.py").write_text(HEAD + dedent(source))
    outcome = check([folder], CheckOptions(n_jobs=1, use_cache=False, select=("all",)))
    return {finding.severity.value for finding in outcome.report.findings}


@pytest.mark.parametrize("name", CALLED_WITHOUT)
def test_doubts_what_is_only_called(name: str, tmp_path: Path) -> None:
    assert severities(tmp_path, CALLED_WITHOUT[name]) == {"warning"}


@pytest.mark.parametrize("name", CALLED_WITH)
def test_is_sure_of_what_is_called_with(name: str, tmp_path: Path) -> None:
    assert severities(tmp_path, CALLED_WITH[name]) == {"error"}


def package(folder: Path, init: str, caller: str) -> Path:
    home = folder / "library"
    home.mkdir()
    (home / "__init__.py").write_text(init)
    (home / "ops.py").write_text(
        HEAD
        + dedent("""\
        def weights(alphas, prefix=None):
            kept = torch.cumprod(alphas, -1)
            if prefix is not None:
                kept *= prefix
            return kept
        """)
    )
    (home / "render.py").write_text(HEAD + "from library.ops import weights\n" + dedent(caller))
    return folder


RENDERS = """\
def render(alphas):
    return weights(alphas).sum()
"""


def test_asks_callers_in_other_files(tmp_path: Path) -> None:
    outcome = check([package(tmp_path, "", RENDERS)], CheckOptions(n_jobs=1, use_cache=False))
    assert outcome.report.findings == ()


def test_what_a_package_offers_but_uses_without_gradients(tmp_path: Path) -> None:
    caller = "@torch.no_grad()\ndef look(alphas, prefix):\n    return weights(alphas, prefix)\n"
    offered = package(tmp_path, "from library.ops import weights\n", caller)
    assert check([offered], CheckOptions(n_jobs=1, use_cache=False)).report.findings == ()


def test_what_a_package_offers_may_be_called_with_more(tmp_path: Path) -> None:
    offered = package(tmp_path, "from library.ops import weights\n", RENDERS)
    (finding,) = check([offered], CheckOptions(n_jobs=1, use_cache=False)).report.findings
    assert finding.code == "GS101"


TABLE = """\
METHODS = {"weights": weights}

def render(alphas, prefix, method):
    return METHODS[method](alphas, prefix)
"""


@pytest.mark.parametrize(("folder", "n_errors"), [("library", 1), ("_library", 0)])
def test_what_a_private_package_hands_on_in_a_table(tmp_path: Path, folder: str, n_errors: int) -> None:
    home = package(tmp_path, "", TABLE) / "library"
    home.rename(tmp_path / folder)
    render = tmp_path / folder / "render.py"
    render.write_text(render.read_text().replace("library.ops", f"{folder}.ops"))
    outcome = check([tmp_path], CheckOptions(n_jobs=1, use_cache=False))
    assert len(outcome.report.findings) == n_errors


def test_a_kernel_of_the_same_name_is_another(tmp_path: Path) -> None:
    home = package(tmp_path, "", RENDERS) / "library"
    (home / "ops.py").write_text(HEAD + "def weights(alphas):\n    y = alphas.exp()\n    y += 1\n    return y\n")
    (home / "render.py").write_text(
        HEAD
        + "from library import _kernels\n@torch.no_grad()\ndef look(alphas):\n    return _kernels.weights(alphas)\n"
    )
    (finding,) = check([tmp_path], CheckOptions(n_jobs=1, use_cache=False)).report.findings
    assert finding.code == "GS101"


def test_a_part_has_a_method_of_the_same_name(tmp_path: Path) -> None:
    source = """\
    class A(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.linear, self.inner = nn.Linear(3, 3), inner

        def loss(self, x, scale):
            y = self.linear(x).relu()
            if scale is not None:
                y *= 2.0
            return self.inner.loss(y)
    """
    assert severities(tmp_path, source) == {"error"}


@pytest.mark.parametrize(("name", "n_errors"), [("net", 1), ("other", 0)])
def test_a_folder_is_a_package_where_its_files_import_it_so(tmp_path: Path, name: str, n_errors: int) -> None:
    home = tmp_path / "net" / "parts"
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("")
    (tmp_path / "net" / "layers.py").write_text(
        HEAD + "def stacked(n):\n    return nn.Sequential(nn.Linear(n, n), nn.ReLU())\n"
    )
    (home / "block.py").write_text(
        HEAD
        + f"from {name}.layers import stacked\n"
        + dedent("""\
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = stacked(3)

            def forward(self, x):
                y = self.layers(x)
                y += 1
                return y
        """)
    )
    outcome = check([tmp_path], CheckOptions(n_jobs=1, use_cache=False))
    assert len(outcome.report.findings) == n_errors


@pytest.mark.parametrize(("mode", "severity"), [("no_grad", "warning"), ("enable_grad", "error")])
def test_a_part_is_run_by_what_holds_it(tmp_path: Path, mode: str, severity: str) -> None:
    home = package(tmp_path, "", RENDERS) / "library"
    (home / "ops.py").write_text(
        HEAD
        + "class Tracer(nn.Module):\n    def forward(self, x):\n        y = x.exp()\n        y += 1\n        return y\n"
    )
    (home / "render.py").write_text(
        HEAD
        + "from library.ops import Tracer\n"
        + dedent(f"""\
        class Renderer(nn.Module):
            def __init__(self):
                super().__init__()
                self.tracer = Tracer()

            def forward(self, x):
                with torch.{mode}():
                    return self.tracer(x)
        """)
    )
    outcome = check([tmp_path], CheckOptions(n_jobs=1, use_cache=False, select=("all",)))
    assert {finding.severity.value for finding in outcome.report.findings} == {severity}
