"""Attacks that look through surrogates, train first or ask an oracle, in a second or less."""

from __future__ import annotations

import torch

from benchmark import Attack, PluginConfig, ThreatModel, register_attack
from benchmark.core.seeding import uniform_noise
from benchmark.core.surrogate import Surrogate


@register_attack("tiny-transfer")
class TinyTransfer(Attack):
    """One sign step on two surrogates."""

    threat = ThreatModel(knowledge="transfer")

    @classmethod
    def surrogates(cls, config):
        return (Surrogate("tiny-defense"), Surrogate("tiny-defense", data="other"))

    def perturb(self, encoder, batch):
        noise = 0.5 * self.radius * uniform_noise(batch.seeds, tuple(batch.images.shape[1:]))
        leaf = self.project(batch.images + noise, batch.images).requires_grad_(True)
        away = (encoder(leaf) - batch.clean).square().sum()
        (gradient,) = torch.autograd.grad(away, leaf)
        return self.project(batch.images + self.radius * gradient.sign(), batch.images)


@register_attack("tiny-universal")
class TinyUniversal(Attack):
    """One step away from the mean, learned on training images."""

    needs_preparation = True

    def prepare(self, task):
        (task.work_dir / "seen").touch()
        leaf = task.train.tensor(slice(0, 8)).requires_grad_(True)
        (gradient,) = torch.autograd.grad(task.encoder(leaf).square().sum(), leaf)
        return {"delta": self.radius * gradient.mean(0).sign()}

    def perturb(self, encoder, batch):
        return self.project(batch.images + self.prepared["delta"], batch.images)


@register_attack("tiny-score")
class TinyScore(Attack):
    """Keeps the better of random signs."""

    threat = ThreatModel(knowledge="score")

    class Config(PluginConfig):
        queries: int = 4
        """Answers for each image."""

    def perturb(self, encoder, batch):
        rows = torch.arange(len(batch.images))
        best, lowest = batch.images, torch.full((len(rows),), float("inf"))
        for asked in range(1, self.config.queries + 1):
            seeds = [seed + asked for seed in batch.seeds]
            signs = uniform_noise(seeds, tuple(batch.images.shape[1:])).sign()
            tried = self.project(batch.images + self.radius * signs, batch.images)
            near = torch.cosine_similarity(encoder(tried, rows), batch.clean)
            best = torch.where((near < lowest)[:, None, None, None], tried, best)
            lowest = torch.minimum(near, lowest)
            self.snapshot(best, asked)
        return best
