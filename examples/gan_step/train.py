"""Train both players on the same fakes, one step each a round."""

import torch
from losses import discriminator_loss, generator_loss
from model import Players


def make_batch(size):
    along = torch.randn(size, 1)
    return torch.cat([along, 2 * along], dim=1)


def compute_losses(players, real):
    fake = players.generator(torch.randn(len(real), 3))
    on_fake = players.discriminator(fake)
    loss_d = discriminator_loss(players.discriminator(real), players.discriminator(fake.detach()))
    return loss_d, generator_loss(on_fake)


def main():
    torch.manual_seed(0)
    players = Players(noise=3, width=6)
    optimizer_g = torch.optim.Adam(players.generator.parameters(), lr=0.01)
    optimizer_d = torch.optim.Adam(players.discriminator.parameters(), lr=0.01)
    for step in range(3):
        loss_d, loss_g = compute_losses(players, make_batch(16))
        optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
        print(f"step {step}: discriminator {loss_d.item():.4f}, generator {loss_g.item():.4f}")


if __name__ == "__main__":
    main()
