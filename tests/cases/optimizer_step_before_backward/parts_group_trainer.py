"""The trainer of ``groups_of_a_base_trainer.py``."""

import torch


class Group:
    def __init__(self, loss, optimizer):
        self.loss, self.optimizer = loss, optimizer


class GroupTrainer:
    def __init__(self):
        self.groups = []

    def add_group(self, network, loss):
        self.groups.append(Group(loss, torch.optim.SGD(network.parameters(), lr=0.1)))

    def optimise(self, x):
        self.forward(x)
        for group in self.groups:
            self.step(group)

    def step(self, group):
        loss = getattr(self, group.loss)
        loss.backward(retain_graph=True)
        group.optimizer.step()  #~ error[GS102]: updated by `SGD.step`
