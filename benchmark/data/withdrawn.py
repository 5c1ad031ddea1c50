"""Data sets that their authors withdrew: read only by those who say that they know."""

from __future__ import annotations

from benchmark.data.disk_dataset import DiskDataset
from benchmark.data.three_folders import ShortNames

DUKE_NOTICE = (
    "its authors withdrew DukeMTMC in 2019, as people had been filmed without their consent; "
    "results on it should not be asked for where another data set will do"
)


class Withdrawn(ShortNames):
    """A data set in three folders that was withdrawn."""

    class Config(DiskDataset.Config):
        """Options."""

        acknowledge_withdrawn: bool = False
        """Read it all the same: you know that its authors withdrew it."""

    config: Config
