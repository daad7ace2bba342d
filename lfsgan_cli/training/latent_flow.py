"""The mapping learns to draw the codes of the training images: a flow learns how they are spread, the mapping the flow.

A distance between two sets of codes, such as the energy distance, left the mapping far from them: there are few samples
in many dimensions. A rectified flow (Liu et al., ICLR 2023; Lipman et al., ICLR 2023) learns their distribution by
regression, from noise that is coupled to codes by optimal transport in each batch (Tong et al., TMLR 2024), so that its
paths are nearly straight. Then the mapping learns by regression, too, on pairs of a latent and the code to which the
flow carries it (Luhman and Luhman, 2021).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional as F

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Mapping
from lfsgan_cli.networks.layers import normalize_latent
from lfsgan_cli.training.loop import Rated, dense_adam, set_rate

KEPT = 0.995  # of the codes' variance, by the directions in which the flow moves them
WIDTH, BLOCKS, FREQUENCIES = 512, 4, 16  # of the flow's network
COUPLED, BATCH, PAIRED = 512, 256, 512  # codes that are coupled at once; in an update of the flow; of the mapping
FLOW_SHARE = 1 / 8  # updates of the flow, as a share of the mapping's
PAIRS = 4  # pairs for each update of the mapping, 150,000 at most
MOST_PAIRS = 150_000
INTEGRATION_STEPS = 8  # by Heun's method
FLOW_RATE = 1e-3  # Adam
WEIGHT_RATE, BIAS_RATE = 5.0, 0.5  # of the mapping, whose numbers have a multiplier of 0.01, and weights also √(1/D)
FOLLOWED = 0.005  # of the flow's EMA
MEASURED = 32  # updates from which the time of a fit is estimated


class CodeFlow(nn.Module):
    """Velocities that carry noise to codes, in the directions in which codes vary most.

    codes: [N, D]. Noise has their mean and covariance, which `mean` [D], `directions` [D, K] and `deviations` [K] hold.
    """

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.mean = codes.mean(0)
        centered = (codes - self.mean).double()
        variances, directions = torch.linalg.eigh(centered.T @ centered / max(1, len(codes) - 1))
        variances, directions = variances.flip(0).clamp(min=1e-12), directions.flip(1)
        kept = int((variances.cumsum(0) < KEPT * variances.sum()).sum()) + 1
        self.directions, self.deviations = directions[:, :kept].to(codes), variances[:kept].sqrt().to(codes)
        self.first, self.time = nn.Linear(kept, WIDTH), nn.Linear(2 * FREQUENCIES, WIDTH)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
            for _ in range(BLOCKS)
        )
        self.last = nn.Linear(WIDTH, kept)
        nn.init.zeros_(self.last.weight)
        self.to(codes)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The velocity at x [N, K] and time t [N, 1], 0 for noise and 1 for codes: [N, K]."""
        angles = t * torch.linspace(0, 4, FREQUENCIES).exp().to(x)
        h = self.first(x / self.deviations) + self.time(torch.cat([angles.sin(), angles.cos()], 1))
        for block in self.blocks:
            h = h + block(h)
        velocity: Tensor = self.last(h) * self.deviations
        return velocity

    def loss(self, noise: Tensor, codes: Tensor, t: Tensor) -> Tensor:
        """Of velocities on straight paths from noise [N, K] to codes [N, K], small directions counting nearly alike."""
        wrong = self(noise * (1 - t) + codes * t, t) - (codes - noise)
        loss: Tensor = (wrong / self.deviations.clamp(min=0.1 * float(self.deviations[0]))).square().mean()
        return loss

    @torch.no_grad()
    def codes_of(self, z: Tensor) -> Tensor:
        """Where the flow carries latents z [N, D]: codes [N, D]."""
        x, step = normalize_latent(z)[:, : len(self.deviations)] * self.deviations, 1 / INTEGRATION_STEPS
        for index in range(INTEGRATION_STEPS):
            t = x.new_full((len(x), 1), index * step)
            here = self(x, t)
            x = x + step * (here + self(x + step * here, t + step)) / 2
        codes: Tensor = self.mean + x @ self.directions.T
        return codes


def fit_mapping(mapping: nn.Module, codes: Tensor, updates: int, seed: int) -> Iterator[tuple[str, int, int]]:
    """Let a mapping learn to draw codes [N, w_dim], in its own units; yields what is done, how much, and of how much.

    The mapping changes when all is done, and only then. Equal arguments give equal weights.
    """
    random = torch.Generator(codes.device).manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        flow, fitted = CodeFlow(codes), copy.deepcopy(mapping).requires_grad_(requires_grad=True)
    first = max(1, round(updates * FLOW_SHARE))
    for done in _learn_flow(flow, codes, first, random):
        yield "a flow learns the codes of the training images", done, first
    count = min(PAIRS * updates, MOST_PAIRS)
    z, found = torch.randn(count, codes.shape[1], generator=random, device=codes.device).to(codes), list[Tensor]()
    for part in torch.split(z, 2048):
        found.append(flow.codes_of(part))
        yield "the flow draws codes for the mapping", sum(map(len, found)), count
    targets, scale = torch.cat(found), (codes - flow.mean).square().mean().sqrt().clamp(min=1e-6)
    weights, biases = ([p for p in fitted.parameters() if (p.ndim > 1) is matrix] for matrix in (True, False))
    adam = dense_adam([Rated(weights, WEIGHT_RATE), Rated(biases, BIAS_RATE)])
    for done in range(1, updates + 1):
        set_rate(adam, _rate(done, updates, least=0.02))
        chosen = torch.randint(count, (PAIRED,), generator=random, device=codes.device)
        missed = F.mse_loss(fitted(z[chosen]) / scale, targets[chosen] / scale)
        adam.zero_grad()
        torch.autograd.backward(missed)
        adam.step()
        yield "the mapping learns to draw codes", done, updates
    mapping.load_state_dict(fitted.state_dict())


def seconds_of_fit(network: NetworkConfig, updates: int, device: torch.device) -> float:
    """How long `fit_mapping` takes on the device, by a few updates of a random mapping on random codes."""
    with torch.random.fork_rng(devices=[]):
        mapping, codes = Mapping(network).to(device), torch.randn(1024, network.w_dim).to(device)

    def seconds(count: int) -> float:
        start = time.perf_counter()
        for _ in fit_mapping(mapping, codes, count, seed=0):
            pass
        return time.perf_counter() - start

    seconds(2)  # warm-up
    return seconds(MEASURED) * updates / MEASURED


def _learn_flow(flow: CodeFlow, codes: Tensor, updates: int, random: torch.Generator) -> Iterator[int]:
    """Yields how many updates are done; at the end, the flow has the weights of its EMA."""
    known, average = (codes - flow.mean) @ flow.directions, copy.deepcopy(flow)
    adam = torch.optim.AdamW(flow.parameters(), FLOW_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    noise = coupled = known[:0]
    for done in range(1, updates + 1):
        if len(noise) < BATCH:
            chosen = torch.randint(len(known), (COUPLED,), generator=random, device=known.device)
            normal = torch.randn(COUPLED, known.shape[1], generator=random, device=known.device)
            noise = normal.to(known) * flow.deviations
            _, order = linear_sum_assignment(torch.cdist(noise, known[chosen]).square().cpu().numpy())
            coupled = known[chosen][torch.from_numpy(order).to(known.device)]
        t = torch.rand(BATCH, 1, generator=random, device=known.device).to(known)
        loss = flow.loss(noise[:BATCH], coupled[:BATCH], t)
        noise, coupled = noise[BATCH:], coupled[BATCH:]
        adam.param_groups[0]["lr"] = FLOW_RATE * _rate(done, updates)
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(flow.parameters()), FOLLOWED)
        yield done
    flow.load_state_dict(average.state_dict())


def _rate(done: int, updates: int, least: float = 0.0) -> float:
    """Of the learning rate: rises for 200 updates, stays, and falls to the least over the last half."""
    return min(1.0, done / 200) * min(1.0, 2 * (1 - done / updates) + least)
