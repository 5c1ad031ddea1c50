"""An experiment as a stranger's file would ship it."""

from benchmark import Card, Experiment, PluginConfig, register_experiment
from benchmark.experiments.findings import Findings, Table, text


@register_experiment("tiny-question")
class TinyQuestion(Experiment):
    """Count the queries that every attack leaves right."""

    card = Card(title="A stranger's question")
    defaults = {"defense": ["tiny-defense"], "attack": ["tiny-attack"], "test_dataset": ["none"]}
    settings = ("evaluation.checks=false",)

    class Config(PluginConfig):
        """Options of the experiment."""

        scale: float = 1.0
        """Factor of the counts."""

    config: Config

    def run(self, context):
        found = {
            measured.variant.label: self.config.scale * measured.outcomes["tiny"]["worst"].rank1
            for measured in context.measure(context.variants)
        }
        rows = [(label, [text(value)]) for label, value in found.items()]
        return Findings([Table("Left right", "Defense", ["%"], rows)], found)
