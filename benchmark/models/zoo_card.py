"""The card of an entry of the zoo: what its weights are, where from, and what was measured."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.models.backbone import BackboneConfig

CARD_FILE = "card.json"
WEIGHTS_FILE = "encoder.safetensors"

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
Slug = Annotated[str, Field(pattern=rf"^{SLUG.pattern}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Percent = Annotated[float, Field(ge=0, le=100)]


class CardPart(BaseModel):
    """What all parts of a card have in common: no key that is not declared, no change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DefenseBehind(CardPart):
    """The defense that made the weights."""

    name: str
    """Registry name."""
    config: dict[str, Any]
    """All its options."""
    behaviour: str
    """What its sources did, as in the record."""


class TrainedOn(CardPart):
    """The data of the training."""

    name: str
    """Registry name."""
    manifest_sha256: Sha256
    """Hash of its content."""


class Weights(CardPart):
    """The file of the weights."""

    sha256: Sha256
    """Hash of the file."""
    bytes: Annotated[int, Field(gt=0)]
    """Its size."""


class Measured(CardPart):
    """Figures of these very weights."""

    record: str
    """Id of the record that tells all of them."""
    protocol: str
    """Fingerprint of its protocol."""
    attacks: list[str]
    """What the worst case is over."""
    clean_map: Percent
    """mAP in percent, without an attack."""
    worst_map: Percent
    """mAP in percent, each query under its strongest attack."""


class PublishedRow(CardPart):
    """Figures of the row of the published board: other trainings of the same recipe."""

    label: str
    """Name of the row."""
    seeds: list[int]
    """Trainings that its figures are means of."""
    protocol: str
    """Fingerprint of its protocol, which is not the one of `measured`."""
    clean_map: Percent
    """mAP in percent, without an attack."""
    worst_map: Percent
    """mAP in percent, each query under its strongest attack."""
    records: list[str]
    """Ids of its records."""


class ZooCard(CardPart):
    """What an entry of the zoo is."""

    schema_version: Literal[1] = 1
    """Version of this format."""
    slug: Slug
    """Name of the entry and of its folder."""
    label: str
    """Name of the row."""
    defense: DefenseBehind
    """What made the weights."""
    backbone: BackboneConfig
    """Network of the encoder."""
    image_size: tuple[int, int]
    """Height and width of the images that it is made for."""
    seed: int
    """Seed of the training."""
    training: dict[str, Any]
    """Recipe of the training; empty if nothing was trained."""
    dataset: TrainedOn
    """What it was trained on."""
    bases: dict[str, Sha256]
    """Trainings that it was made from, by name, with the hash of their weights. The weights of an
    encoder that is wrapped are in the entry's own file, too."""
    weights: Weights
    """The file."""
    licence: str
    """Licence of the weights."""
    measured: Measured
    """Figures of these weights."""
    published: PublishedRow | None
    """Figures of the published row of the same name, if there is one."""
    environment: dict[str, Any]
    """Where the training was computed."""
