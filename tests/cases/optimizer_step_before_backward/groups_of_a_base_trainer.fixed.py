# framework: torch
# outcome: raises
"""What steps each group of networks in turn is inherited; the loss of the second group went through the first."""

import torch
from parts_group_trainer import GroupTrainer
from torch import nn


class Translation(GroupTrainer):
    def __init__(self):
        super().__init__()
        self.translate, self.segment = nn.Linear(4, 4), nn.Linear(4, 3)
        self.add_group(self.segment, "loss_segment")
        self.add_group(self.translate, "loss_translate")

    def forward(self, x):
        fake = self.translate(x)
        self.loss_segment = self.segment(x).logsumexp(1).mean()
        copies = {name: each.clone() for name, each in self.segment.named_parameters()}
        self.loss_translate = torch.func.functional_call(self.segment, copies, (fake,)).logsumexp(1).mean()


torch.manual_seed(0)
trainer = Translation()
trainer.optimise(torch.randn(5, 4))
