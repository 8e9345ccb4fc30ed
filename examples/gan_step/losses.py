"""The two players' losses."""

from torch.nn.functional import softplus


def discriminator_loss(on_real, on_fake):
    return softplus(-on_real).mean() + softplus(on_fake).mean()


def generator_loss(on_fake):
    return softplus(-on_fake).mean()
