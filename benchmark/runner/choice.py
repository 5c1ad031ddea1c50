"""What a configuration chose: classes and validated options behind its names, before any work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmark.config.attack_groups import expand_attacks
from benchmark.config.schema import CROSS_DATASETS, NO_CROSS_DATASET, OF_ENCODERS, RunConfig
from benchmark.core.attack import Attack
from benchmark.core.dataset_names import sources_of
from benchmark.core.defense import Defense
from benchmark.core.errors import BenchmarkError, PluginError, UsageError, unknown_name
from benchmark.core.listing import listed
from benchmark.core.parametrised import Parametrised, base_name
from benchmark.core.plugin import PluginConfig, options_of
from benchmark.core.plugin_errors import plugin_faults
from benchmark.core.registry import ATTACKS, BACKBONES, DATASETS, DEFENSES, Registry
from benchmark.core.surrogate import Surrogate
from benchmark.core.threat import Scenario, ThreatModel
from benchmark.data.dataset import Dataset
from benchmark.data.joint import joint_class
from benchmark.models.backbone import Backbone
from benchmark.runner.stand_ins import check_unseen, stand_ins


@dataclass(frozen=True)
class ChosenAttack:
    """An attack with its options.

    Attributes:
        plugin: The class.
        config: Its validated options.
    """

    plugin: type[Attack]
    config: PluginConfig

    @property
    def name(self) -> str:
        """Registry name."""
        return self.plugin.name

    @property
    def threat(self) -> ThreatModel:
        """What it may change and what it knows."""
        return self.plugin.threat_with(self.config)

    @property
    def surrogates(self) -> tuple[Surrogate, ...]:
        """The encoders that it sees instead of the target."""
        return self.plugin.surrogates(self.config)

    def at(self, eps_255: float, owner: str = "encoder") -> Attack:
        """Return the attack with a budget; `owner` is the defense that its errors name."""
        return self.plugin(self.config, eps_255, owner)

    @property
    def is_control(self) -> bool:
        """Whether it knows nothing of the encoder and so is no attack but the control."""
        return self.threat.knowledge == "none"


@dataclass(frozen=True)
class Choice:
    """Everything a run needs that has a name.

    Attributes:
        defenses: The chosen defenses, by name, in order.
        stand_ins: What each one's inner attacks are replaced by, an entry for each training.
        prerequisites: Defenses with default options whose encoders others need, by name, and
            those that are trained as surrogates.
        attacks: The chosen attacks, in order.
        backbone: The network.
        datasets: Classes of the data sets by name; the first one is trained on.
        other: Data set that surrogates of other data are trained on, if an attack wants one;
            it need not be tested on.
    """

    defenses: dict[str, Defense]
    stand_ins: dict[str, tuple[str | None, ...]]
    prerequisites: dict[str, Defense]
    attacks: tuple[ChosenAttack, ...]
    backbone: type[Backbone]
    datasets: dict[str, type[Dataset]]
    other: tuple[str, type[Dataset]] | None

    @property
    def sources(self) -> dict[str, type[Dataset]]:
        """All data sets that are read."""
        return self.datasets | dict([self.other] if self.other is not None else [])


def choose(config: RunConfig) -> Choice:
    """Look up every name and validate every option of a run.

    Raises:
        UsageError: An unknown name, key or value.
        PluginError: A plugin does not import or does not fit its contract.
    """
    attack_names = expand_attacks(config.attack, ATTACKS.names())
    _check_names(config)
    defenses = {n: _defense(n, _options(n, config)) for n in config.defense}
    _check_options(DEFENSES, config.defense_config)
    _check_options(ATTACKS, config.attack_config)
    _check_options(DATASETS, config.dataset_config)
    attacks = tuple(_attack(name, config.attack_config) for name in attack_names)
    _check_intent(attacks, config.scenario)
    prerequisites = _prerequisites(defenses, attacks, config)
    _check_encoder(config, defenses, prerequisites, attacks)
    _check_setting(config, [*defenses.values(), *prerequisites.values()])
    return Choice(
        defenses=defenses,
        stand_ins=_stand_ins(config, defenses),
        prerequisites=prerequisites,
        attacks=attacks,
        backbone=_class(BACKBONES, config.backbone.name, Backbone),
        datasets={name: _dataset(name) for name in _dataset_names(config)},
        other=_other_dataset(config, attacks),
    )


def _dataset_names(config: RunConfig) -> list[str]:
    return [config.dataset, *config.test_datasets]


def _dataset(name: str) -> type[Dataset]:
    members: list[type[Dataset]] = [_class(DATASETS, one, Dataset) for one in sources_of(name)]
    return joint_class(members) if len(members) > 1 else members[0]


def _other_dataset(
    config: RunConfig, attacks: tuple[ChosenAttack, ...]
) -> tuple[str, type[Dataset]] | None:
    wanting = [a.name for a in attacks if any(s.data == "other" for s in a.surrogates)]
    if not wanting:
        return None
    trained_on = set(sources_of(config.dataset))
    for name in (*config.test_datasets, *CROSS_DATASETS.get(config.dataset, ())):
        if trained_on.isdisjoint(sources_of(name)):
            return name, _dataset(name)
    raise UsageError(
        f"attack {wanting[0]!r} needs a surrogate of another data set",
        "add one with --test-dataset, or leave the attack out",
    )


def _check_names(config: RunConfig) -> None:
    """Refuse unknown names before anything is imported."""
    stand_in = config.training.inner.attack
    named = (config.dataset, *(config.test_dataset or ()))
    wanted: list[tuple[Registry[Any], list[str]]] = [
        (DEFENSES, [*config.defense, *config.defense_config]),
        (ATTACKS, [*config.attack_config, *config.train_attacks]),
        (ATTACKS, [stand_in] if stand_in is not None else []),
        (BACKBONES, [config.backbone.name]),
        (DATASETS, [one for name in named for one in sources_of(name)]),
        (DATASETS, [*config.data_root.named, *config.dataset_config]),
    ]
    for registry, names in wanted:
        for name in names:
            allowed = registry is DATASETS and name == NO_CROSS_DATASET
            if not registry.has(name) and not allowed:
                raise unknown_name(registry.kind, base_name(name), registry.names())


def _check_options(registry: Registry[Any], options: dict[str, dict[str, Any]]) -> None:
    for name, values in options.items():
        registry.get(name).parse_config(values)


def _class(registry: Registry[Any], name: str, base: type[Any]) -> type[Any]:
    found = registry.get(name)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise PluginError(
            f"the {registry.kind} {name!r} is not a subclass of {base.__name__}",
            f"derive it from benchmark.{base.__name__}",
        )
    return found


def _defense(name: str, options: dict[str, Any]) -> Defense:
    plugin: type[Defense] = _class(DEFENSES, name, Defense)
    if issubclass(plugin, Parametrised):
        plugin.check_argument(name)
    with plugin_faults(plugin):
        defense = plugin(plugin.parse_config(options))
        defense.check()
    return defense


def _options(name: str, config: RunConfig) -> dict[str, Any]:
    """Return the options of a defense; an encoder of the run is what it wraps, if it can wrap."""
    options = config.options_of_defense(name)
    if config.encoder is not None and "base" in DEFENSES.get(name).Config.model_fields:
        options.setdefault("base", OF_ENCODERS)
    return options


def _base(name: str, path: tuple[str, ...], config: RunConfig) -> Defense:
    """Return a defense that others build on, with its default options and the run's encoder."""
    try:
        return _defense(name, config.encoder_option(name))
    except BenchmarkError as error:
        if not path:
            raise
        raise UsageError(
            f"{path[-1]!r} cannot build on {name!r}: {error.what}",
            "what others build on has its default options; choose another base",
        ) from error


def _attack(name: str, options: dict[str, dict[str, Any]]) -> ChosenAttack:
    """Return an attack; options of NAME are those of every ``NAME:ARGUMENT``, too."""
    plugin: type[Attack] = _class(ATTACKS, name, Attack)
    if issubclass(plugin, Parametrised):
        plugin.check_argument(name)
    chosen = {**options.get(base_name(name), {}), **options.get(name, {})}
    with plugin_faults(plugin):
        return ChosenAttack(plugin, plugin.parse_config(chosen))


def _stand_ins(
    config: RunConfig, defenses: dict[str, Defense]
) -> dict[str, tuple[str | None, ...]]:
    if config.protocol == "standard":
        return dict.fromkeys(defenses, (None,))
    chosen = [_attack(name, {}) for name in config.train_attacks]
    check_unseen(defenses.values(), [(one.plugin, one.threat.knowledge) for one in chosen])
    return {name: stand_ins(one, config.train_attacks) for name, one in defenses.items()}


def _check_intent(attacks: tuple[ChosenAttack, ...], scenario: Scenario) -> None:
    for attack in attacks:
        if scenario.intent not in attack.plugin.intents and not attack.is_control:
            raise UsageError(
                f"attack {attack.name!r} cannot be told to {scenario.intent}",
                "leave it out; metric-ifgsm, metric-pgd, fna and apgd-fna can",
            )


def _check_encoder(
    config: RunConfig,
    defenses: dict[str, Defense],
    prerequisites: dict[str, Defense],
    attacks: tuple[ChosenAttack, ...],
) -> None:
    """Refuse an encoder that nothing uses, and attacks that ask a black box for a gradient."""
    if config.encoder is not None and OF_ENCODERS not in {**defenses, **prerequisites}:
        raise UsageError(
            f"an encoder is the defense {OF_ENCODERS}, and {', '.join(defenses)} builds on none",
            f"leave --defense out, or add {OF_ENCODERS} to it",
        )
    white = [attack.name for attack in attacks if attack.threat.knowledge == "white"]
    for name, defense in defenses.items():
        if defense.black_box and white:
            raise UsageError(
                f"{defense.row_label() or name}: no gradient for {listed(white, 3)}: "
                f"{defense.black_box}",
                "attack it as a black box: --attack random-noise query-black-box",
            )


def _check_setting(config: RunConfig, defenses: Iterable[Defense]) -> None:
    backbone = options_of(config.backbone)
    for defense in defenses:
        with plugin_faults(type(defense)):
            defense.check_setting(config.image_size, backbone)


def _prerequisites(
    defenses: dict[str, Defense], attacks: tuple[ChosenAttack, ...], config: RunConfig
) -> dict[str, Defense]:
    """Return all that defenses build on and surrogates are, each before those that need it."""
    found: dict[str, Defense] = {}

    def need(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise PluginError(
                f"defenses build on each other in a circle: {' → '.join([*path, name])}",
                "break the circle in prerequisites()",
            )
        needed = found.get(name) or _base(name, path, config)
        visit(needed, (*path, name))
        found[name] = needed

    def visit(defense: Defense, path: tuple[str, ...]) -> None:
        with plugin_faults(type(defense)):
            names = defense.prerequisites()
        for name in names:
            need(name, path)
        if names:
            defense.rest_on({name: found[name] for name in names})

    for name, defense in defenses.items():
        visit(defense, (name,))
    for name in dict.fromkeys(s.defense for attack in attacks for s in attack.surrogates):
        need(name, ())
    return found
