"""Optimizers that a trainer hands out: an accelerator those it was given, Lightning those that a module configures."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.source.test_flow import errors

ACCELERATED = """\
from accelerate import Accelerator
from lightning.fabric import Fabric
gen, disc = nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
opt = torch.optim.SGD(disc.parameters(), lr=0.1)
accelerator = ACCELERATOR
PREPARE
fake = gen(torch.ones(5, 3))
loss_d, loss_g = disc(fake.detach()).sum(), -disc(fake).sum()
FIRST
accelerator.backward(loss_d)
opt.step()
SECOND
"""
PREPARED = ("disc, opt = accelerator.prepare(disc, opt)", "disc, opt = accelerator.setup(disc, opt)")
GENERATOR = "accelerator.backward(loss_g)"

LIGHTNING = """\
import pytorch_lightning as pl

class GAN(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.gen, self.disc = nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))

    def training_step(self, batch, index):
        HANDED_OUT
        fake = self.gen(batch)
        loss_d, loss_g = self.disc(fake.detach()).sum(), -self.disc(fake).sum()
        FIRST
        self.manual_backward(loss_d)
        opt_d.step()
        SECOND

    def configure_optimizers(self):
        opt_g, opt_d = torch.optim.Adam(self.gen.parameters()), torch.optim.Adam(self.disc.parameters())
        return RETURNED
"""
BACKWARD = "self.manual_backward(loss_g)"


def accelerated(made: str, prepare: str, first: str = "", second: str = GENERATOR) -> str:
    source = ACCELERATED.replace("ACCELERATOR", made).replace("PREPARE", prepare)
    return source.replace("FIRST", first).replace("SECOND", second)


def lightning(handed_out: str, returned: str, first: str = "", second: str = BACKWARD) -> str:
    source = LIGHTNING.replace("HANDED_OUT", handed_out).replace("RETURNED", returned)
    return source.replace("FIRST", first).replace("SECOND", second)


FOUND = {
    "prepared": accelerated("Accelerator()", PREPARED[0]),
    "prepared in full precision": accelerated("Accelerator(mixed_precision='no')", PREPARED[0]),
    "prepared alone": accelerated("Accelerator(cpu=True)", "opt = accelerator.prepare(opt)"),
    "set up": accelerated("Fabric(precision='32-true')", PREPARED[1]),
    "several": lightning("opt_g, opt_d = self.optimizers()", "opt_g, opt_d"),
    "a list": lightning("opts = self.optimizers(); opt_d = opts[1]", "[opt_g, opt_d]"),
    "with schedulers": lightning("_, opt_d = self.optimizers()", "[opt_g, opt_d], [schedule]"),
    "one of them": lightning("opt_d = self.optimizers()", "opt_d"),
    "in dictionaries": lightning("_, opt_d = self.optimizers()", "{'optimizer': opt_g}, {'optimizer': opt_d}"),
}
SILENT = {
    "in half precision": accelerated("Accelerator(mixed_precision='fp16')", PREPARED[0]),
    "in a precision that is not known": accelerated("Accelerator(mixed_precision=asked)", PREPARED[0]),
    "something else": accelerated("Something()", PREPARED[0]),
    "prepared, the step last": accelerated("Accelerator()", PREPARED[0], f"{GENERATOR}", ""),
    "the step last": lightning("opt_g, opt_d = self.optimizers()", "opt_g, opt_d", BACKWARD, ""),
    "the other one's": lightning("opt_d, opt_g = self.optimizers()", "opt_g, opt_d"),
    "not Lightning's": lightning("opt_g, opt_d = self.optimizers()", "opt_g, opt_d").replace(
        "pl.LightningModule", "nn.Module"
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_finds(tmp_path: Path, name: str) -> None:
    assert errors(tmp_path, FOUND[name])


@pytest.mark.parametrize("name", SILENT)
def test_stays_silent(tmp_path: Path, name: str) -> None:
    assert not errors(tmp_path, SILENT[name])


RETURNED = """\
import pytorch_lightning as pl

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.gen = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
        self.disc = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))

    def forward(self, x):
        fake = self.gen(x)
        if self.training:
            return TUPLE
        return InferenceBatch(pred_score=(x - fake).square().sum(1))

class GAN(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = Model()

    def training_step(self, batch, index):
        opt_d, opt_g = self.optimizers()
        real, fake = self.model(batch)
        self.manual_backward(self.model.disc(fake).sum(), retain_graph=True)
        opt_g.step()
        self.manual_backward(self.model.disc(real).sum() - self.model.disc(fake.detach()).sum())
        opt_d.step()

    def configure_optimizers(self):
        return [torch.optim.Adam(self.model.disc.parameters()), torch.optim.Adam(self.model.gen.parameters())]
"""


@pytest.mark.parametrize(("returned", "breaks"), [("x, fake", False), ("fake, fake", True)])
def test_what_evaluation_returns_in_place_of_a_tuple(tmp_path: Path, returned: str, breaks: bool) -> None:
    assert bool(errors(tmp_path, RETURNED.replace("TUPLE", returned))) is breaks


BESIDE = """\
class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
        self.optimizer = torch.optim.Adam(self.net.parameters())
"""
GAN = """\
from networks import Judge

def train(judge, loader):
    for x, y in loader:
        first, second = judge.net(x).mean(), judge.net(y).mean()
        first.backward()
        judge.optimizer.step()
        second.backward()

SETUP
if __name__ == "__main__":
    loader = load()
    judge = Judge()
    for epoch in range(3):
        train(judge, loader)
"""


@pytest.mark.parametrize("is_package", [True, False])
def test_a_folder_that_is_run_from_inside_finds_its_files_by_their_plain_names(
    tmp_path: Path, *, is_package: bool
) -> None:
    if is_package:
        (tmp_path / "__init__.py").write_text("")
    assert {code for code, _ in errors(tmp_path, GAN.replace("SETUP", ""), networks=BESIDE)} == {"GS102"}


def test_a_package_finds_its_files_by_their_full_names_only(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    program = "import package.networks\n" + GAN.replace("SETUP", "")
    assert not errors(folder, program, networks=BESIDE)


def test_a_training_behind_much_that_is_set_up_is_followed(tmp_path: Path) -> None:
    program = GAN.replace("SETUP", "".join(f"option{i} = {i}\n" for i in range(800)))
    assert {code for code, _ in errors(tmp_path, program, networks=BESIDE)} == {"GS102"}
