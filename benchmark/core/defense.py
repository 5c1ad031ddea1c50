"""The defense contract: how an encoder is trained or wrapped, and what attackers must know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from torch import Tensor, nn

from benchmark.core.device import DevicePolicy
from benchmark.core.errors import PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import Plugin, PluginConfig
from benchmark.core.progress import Progress
from benchmark.core.training_step import Output, TrainingStep

__all__ = [
    "RANDOM_WEIGHTS",
    "Adaptive",
    "Copies",
    "Defense",
    "FitTask",
    "Output",
    "Preparation",
    "TrainingStep",
]

RANDOM_WEIGHTS = "random weights"
"""The choice that stands for a twin whose weights say nothing."""


@dataclass(frozen=True)
class Adaptive:
    """What a defense declares so that it can be attacked fairly.

    Attributes:
        random: The encoder draws random numbers in eval mode.
        non_differentiable: Some part has no useful gradient.
        optimises_at_inference: The encoder runs an optimisation for each image.
    """

    random: bool = False
    non_differentiable: bool = False
    optimises_at_inference: bool = False


class FitTask(Protocol):
    """Everything a defense needs to make an encoder.

    Attributes:
        train: Images of the training identities, without the held-out ones.
        held_out: Images of the held-out training identities, for selection.
        policy: Device and precision.
        seed: Seed of the training.
        progress: Where to report progress.
        work_dir: Folder that outlives an interrupted training; for checkpoints and reports.
        image_size: (H, W).
        preparation: What the training images became, and figures for the record.
    """

    train: ImageSet
    held_out: ImageSet
    policy: DevicePolicy
    seed: int
    progress: Progress
    work_dir: Path
    image_size: tuple[int, int]
    preparation: Preparation

    def train_encoder(self, defense: Defense) -> nn.Module:
        """Run the harness's training loop with the defense's hooks; return the encoder."""

    def attacked_images(
        self, encoder: nn.Module, images: ImageSet, name: str, **options: object
    ) -> Copies:
        """Return 8-bit adversarial copies of training images, crafted on a frozen encoder."""

    def encoder_of(self, name: str) -> nn.Module:
        """Return the frozen encoder of a defense named in `Defense.prerequisites`."""


@dataclass(frozen=True)
class Copies:
    """Adversarial copies of training images, and what they cost.

    Attributes:
        images: 8-bit copies, in the order of the images.
        forwards: Images that went forward to craft them.
        backwards: Images that went backward.
    """

    images: ImageSet
    forwards: int
    backwards: int


@dataclass(frozen=True)
class Preparation:
    """What `Defense.prepare` may change before the loop starts.

    Attributes:
        train: Training images to use instead of the task's.
        report: Figures for the record.
        forwards: Images that went forward through an encoder to craft perturbations.
        backwards: Images that went backward; both count in the budget of the training.
    """

    train: ImageSet
    report: dict[str, object] = field(default_factory=dict)
    forwards: int = 0
    backwards: int = 0


class Defense(Plugin):
    """Base of every defense. Override `training_step`, or `fit` to own the whole training."""

    adaptive: Adaptive = Adaptive()
    """What attackers must know of the encoder; a class attribute, or set in the constructor."""
    trained_against: tuple[str, ...] = ()
    """Attacks that its training asks the step for; the record marks them as seen, and protocol
    `unseen` lets others stand in for them. As `adaptive`, it may be set in the constructor."""
    trains: ClassVar[bool] = True
    """False where `fit` uses no training image: no training split is then asked for or decoded,
    and the training cell is the same whatever the split holds."""
    also_seen: tuple[str, ...] = ()
    """Attacks whose objective its training ascends by itself; marked as seen, without stand-in."""

    choices: tuple[str, ...] = ()
    """What its owner may have declared wrongly of an encoder that exists already; set in the
    constructor. Before any attack each is compared with what was declared; see `with_choice`."""
    black_box: str = ""
    """Why the encoder can be attacked as a black box alone; set in the constructor."""

    class Config(PluginConfig):
        """Options; override in a subclass."""

    def __init__(self, config: PluginConfig) -> None:
        self.config = config

    def check(self) -> None:
        """Raise a `PluginError` if something is missing to train it; asked before any work."""

    def check_setting(self, image_size: tuple[int, int], backbone: Mapping[str, object]) -> None:
        """Raise a `UsageError` if it cannot be run in a setting; asked before any work.

        Args:
            image_size: Height and width of the run's images.
            backbone: Options of the run's network, its ``name`` among them.
        """

    def row_label(self) -> str | None:
        """Return what its rows are called without a label; None: what boards call a defense."""
        return None

    def with_choice(self, encoder: nn.Module, choice: str) -> nn.Module:
        """Return the encoder with one of `choices` in place of what was declared."""
        raise NotImplementedError

    def backbone_name(self, chosen: str) -> str:
        """Return what the encoder's network is called; `chosen` is the backbone of the run."""
        return chosen

    def prerequisites(self) -> tuple[str, ...]:
        """Return defenses whose encoders must be trained first, on the same data and seed."""
        return ()

    def preliminaries(self) -> tuple[str, ...]:
        """Return names of work for `prepare` that needs no prerequisite, such as another model.

        Each is done once, maybe while prerequisites are trained elsewhere.
        """
        return ()

    def preliminary(self, name: str, task: FitTask) -> None:
        """Do one of `preliminaries`; `prepare` finds what it leaves in ``task.work_dir / name``.

        After an interruption it is called again.
        """
        raise PluginError(
            f"defense {self.name!r} names the preliminary {name!r} and does none",
            "write preliminary()",
        )

    def rest_on(self, bases: Mapping[str, Defense]) -> None:
        """Be told how the run makes the defenses named in `prerequisites`, by name."""

    def prepare(self, task: FitTask) -> Preparation:
        """Return the training images, balanced or augmented offline if the defense does so."""
        return Preparation(task.train)

    def epochs(self, planned: int, inner_steps: int) -> int:
        """Return how long it trains; a training cheaper a step may take more steps for its budget.

        Args:
            planned: Epochs of the recipe.
            inner_steps: Gradient steps of its inner attack.
        """
        return planned

    def passes(self, inner_steps: int) -> float:
        """Return about how often an image of a step goes forward and backward; plans count on it.

        Args:
            inner_steps: Gradient steps of its inner attack.
        """
        return inner_steps + 2 if self.trained_against else 1

    def replays(self) -> int:
        """Return how many steps in a row see the same batch."""
        return 1

    def extra_modules(self, embedding_dim: int) -> dict[str, nn.Module]:
        """Return modules that are trained along and dropped afterwards."""
        return {}

    def build_encoder(self, factory: Callable[[], nn.Module]) -> nn.Module:
        """Return an untrained encoder of the shape that `fit` returns, to load weights into.

        Args:
            factory: Builds the harness's plain encoder.
        """
        return factory()

    def surrogate(self, encoder: nn.Module) -> nn.Module | None:
        """Return a differentiable stand-in for an encoder that is not, for BPDA; None if none is.

        Args:
            encoder: What `fit` returned. The stand-in must give embeddings of the same width.
        """
        return None

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the scalar loss of one step."""
        raise PluginError(
            f"defense {self.name!r} writes neither training_step() nor fit()",
            "write one of the two",
        )

    def fit(self, task: FitTask) -> nn.Module:
        """Return a trained encoder; the default runs the harness's loop."""
        return task.train_encoder(self)
