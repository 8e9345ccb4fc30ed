"""Buffers that `DistributedDataParallel` broadcasts, on two ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.skipif(not hasattr(os, "fork"), reason="the peer is a fork")]

PROGRAM = """
    import sys
    import torch
    import torch.distributed as dist
    import torch.multiprocessing as mp
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)


    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 2)
            self.register_buffer("scale", torch.ones(2))
            self.is_ready = False

        def forward(self, x):
            h = self.inner(x)
            if not self.is_ready:
                self.is_ready = True
                with torch.no_grad():
                    {scale}
            return h * self.scale


    def work(rank):
        dist.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=rank, world_size=2)
        torch.manual_seed(0)
        model = DistributedDataParallel(Scaled())
        torch.manual_seed(rank)
        one = model(torch.randn(4, 3))
        two = model(torch.randn(4, 3))  # broadcasts the buffers of rank 0 once more
        (one.pow(2).mean() + two.pow(2).mean()).backward()
        dist.barrier()
        dist.destroy_process_group()


    other = mp.get_context("fork").Process(target=work, args=({peer},))
    other.start()
    work(1 - {peer})
    other.join()
"""


def findings(folder: Path, *, scale: str, peer: int) -> list[dict[str, Any]]:
    (folder / "train.py").write_text(textwrap.dedent(PROGRAM).format(scale=scale, peer=peer), encoding="utf-8")
    command = [sys.executable, "-m", "gradsan", "run", "--output-format", "json", "train.py", str(folder / "meet")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    report = json.loads(done.stderr[done.stderr.index("{\n") :])
    found: list[dict[str, Any]] = report["findings"]
    return found


@pytest.mark.parametrize("peer", [0, 1])
def test_a_broadcast_that_changes_a_saved_buffer(tmp_path: Path, peer: int) -> None:
    (finding,) = findings(tmp_path, scale="self.scale.copy_(1 / h.std(0))", peer=peer)
    assert finding["code"] == "GS307"
    assert finding["message"].endswith("was overwritten by `broadcast`")
    (write,) = [span for span in finding["spans"] if span["role"] == "write"]
    assert "two = model" in (tmp_path / "train.py").read_text().splitlines()[write["line"] - 1]


def test_a_broadcast_of_equal_buffers_changes_nothing(tmp_path: Path) -> None:
    assert findings(tmp_path, scale="self.scale.fill_(2)", peer=0) == []


def test_buffers_on_a_device_are_said_not_to_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    import gradsan
    from gradsan.frameworks.torch import replicas

    owner = torch.nn.parallel.DistributedDataParallel
    monkeypatch.setattr(owner, "_sync_buffers", lambda _self: None)
    buffer = torch.ones(3, device="meta")
    with gradsan.watch() as session:
        held = buffer * torch.ones(3, device="meta", requires_grad=True)
        owner._sync_buffers(types.SimpleNamespace(modules_buffers=[buffer]))
        del held
    assert session.not_covered == (replicas.ON_DEVICE,)
