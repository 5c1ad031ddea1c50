"""A tiny defense of three modules that can be switched."""

from __future__ import annotations

from benchmark import Defense, register_defense


@register_defense("tiny-modules")
class TinyModules(Defense):
    """Plain training with weights."""

    class Config(Defense.Config):
        first: bool = True
        second: bool = True
        third: bool = True

    def training_step(self, step):
        config = self.config
        weight = 1 + 0.5 * config.first + 0.25 * config.second + 0.125 * config.third
        return weight * step.retrieval_loss(step.images)
