"""The defense contract: how an encoder is trained or wrapped, and what attackers must know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from torch import Tensor, nn

from benchmark.core.device import DevicePolicy
from benchmark.core.errors import PluginError
from benchmark.core.guides import Companions, Guides
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import Plugin, PluginConfig
from benchmark.core.progress import Progress

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


@dataclass(frozen=True)
class Output:
    """What the trained model returns for a batch.

    Attributes:
        features: (B, D) after global pooling, before the BNNeck.
        embeddings: (B, D) after the BNNeck; these are ranked, by cosine.
        logits: (B, C) over the training identities.
    """

    features: Tensor
    embeddings: Tensor
    logits: Tensor

    def rows(self, chosen: slice | Tensor) -> Output:
        """Return the same for some images of the batch."""
        return Output(self.features[chosen], self.embeddings[chosen], self.logits[chosen])


class TrainingStep(Protocol):
    """What a defense sees of one training step.

    Attributes:
        images: (B, 3, H, W) float32 in [0, 1], augmented.
        pids: (B,) identities as in the data set.
        camids: (B,) cameras.
        labels: (B,) class indices 0…C-1 of the identities.
        class_of: Maps an identity to its class index.
        num_classes: C.
        model: The model in training mode; `modules` are the defense's own.
        modules: What `Defense.extra_modules` returned, trained by the same optimiser.
        fraction: Progress of the training, 0 to 1.
        epoch: Epochs so far, with the share of this one.
        eps_255: Radius of the inner budget in 1/255 units.
        alpha_255: Step size of the inner budget in 1/255 units.
        learning_rate: The optimiser's current step size.
        seed: Seed of this step; the same when a training is resumed.
    """

    images: Tensor
    pids: Tensor
    camids: Tensor
    labels: Tensor
    num_classes: int
    modules: Mapping[str, nn.Module]
    fraction: float
    epoch: float
    eps_255: float
    alpha_255: float
    learning_rate: float
    seed: int

    @property
    def model(self) -> nn.Module:
        """The model in training mode."""

    def class_of(self, pids: Tensor) -> Tensor:
        """Return the class indices of (B,) identities."""

    def attack(
        self, name: str, images: Tensor, *, guides: Guides | None = None, **options: object
    ) -> Tensor:
        """Craft adversarial images of this batch with the inner budget.

        The encoder is in eval mode, so batch statistics are neither used nor updated.

        Args:
            name: Registry name of the attack.
            images: (B, 3, H, W) clean images, in the order of the batch.
            guides: What guides in place of the batch itself. It holds none of `images`, unless it
                says so (`Companions`).
            options: Override options of the attack; ``eps_255`` overrides the budget.
        """

    def ascend(
        self,
        objective: Callable[[Output], Tensor],
        images: Tensor,
        *,
        start: float = 1.0,
        noise: Tensor | None = None,
        eps_255: float | Tensor | None = None,
        alpha_255: float | Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Craft adversarial images with an objective on all that the model returns, by PGD.

        Args:
            objective: From the `Output` of the current images, in eval mode, to (B,) values to
                maximise.
            images: (B, 3, H, W) clean images, in the order of the batch.
            start: Uniform random start, as a share of the radius.
            noise: (B, 3, H, W) start in pixel units, in place of the uniform one.
            eps_255: Radius in 1/255 units, one for all or (B,); None: the inner budget's.
            alpha_255: Step size in 1/255 units, one for all or (B,); None: the inner budget's.
            steps: Gradient steps; None: the inner budget's.
        """

    def companions(self, count: int) -> Companions:
        """Return clean embeddings, in eval mode, of more images of the batch's identities.

        They are drawn anew in every step, without replacement, and are not augmented. They are
        none of the batch's images, unless an identity has fewer than `count` others; then one more
        is drawn, so that each image of the batch still has `count` beside itself, if there are.
        """

    def guides(self, images: Tensor) -> Guides:
        """Return the clean embeddings of this batch, in eval mode; computed once for a tensor.

        Raises:
            PluginError: `images` are not as many as the batch holds.
        """

    def outputs(self, images: Tensor) -> Output:
        """Return what the model gives for images in eval mode, without a gradient."""

    def forward(self, images: Tensor, state: Mapping[str, Tensor] | None = None) -> Output:
        """Run the model in training mode; `state` replaces its parameters and buffers."""

    def retrieval_loss(self, images: Tensor) -> Tensor:
        """Return label-smoothed identity loss + batch-hard triplet loss of `images`."""

    def output_loss(
        self, output: Output, labels: Tensor, soft_targets: Tensor | None = None
    ) -> Tensor:
        """Return the same loss of an `Output`; `soft_targets` (B, C) replace one-hot labels."""

    def identity_loss(self, output: Output, labels: Tensor) -> Tensor:
        """Return the label-smoothed identity loss alone of an `Output`."""


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
