"""The original archive of CUHK03, cuhk-03.mat, unpacked by the lists of the new protocol.

The archive is a MATLAB 7.3 file: a table of images for each of five pairs of cameras, one row an
identity, columns 1 to 5 from the first camera of the pair and 6 to 10 from the second. The lists
name an image PAIR_IDENTITY_CAMERA_NUMBER.png (Zhong et al., "Re-ranking Person Re-identification
with k-reciprocal Encoding", CVPR 2017).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from benchmark.core.errors import DataError
from benchmark.core.files import disk_errors
from benchmark.core.progress import Progress
from benchmark.data.image_label import ImageLabel
from benchmark.data.layout import SPLITS, Split

ARCHIVE = "cuhk-03.mat"
_EXTRA = "pip install 'reid-robustbench[cuhk03]', or use the laid-out folders of the new protocol"


@dataclass(frozen=True)
class Archive:
    """The archive and the lists for one kind of boxes.

    Attributes:
        images: cuhk-03.mat.
        lists: cuhk03_new_protocol_config_KIND.mat.
        kind: ``detected`` or ``labeled``, as the archive spells them.
    """

    images: Path
    lists: Path
    kind: str

    def splits(self) -> dict[Split, dict[str, ImageLabel]]:
        """Return the label of each image of each split, by file name.

        Raises:
            DataError: The lists cannot be read, or scipy is not installed.
        """
        try:
            from scipy.io import loadmat
        except ImportError as error:
            raise DataError(f"{self.lists} needs scipy to be read", _EXTRA) from error
        try:
            said: dict[str, Any] = loadmat(self.lists)
            names = [str(np.asarray(one).item()) for one in said["filelist"].ravel()]
            pids = [int(pid) for pid in said["labels"].ravel()]
            rows = {
                split: [int(row) - 1 for row in said[f"{split}_idx"].ravel()] for split in SPLITS
            }
            return {
                split: {
                    names[row]: ImageLabel(names[row], pids[row], int(names[row].split("_")[2]))
                    for row in chosen
                }
                for split, chosen in rows.items()
            }
        except Exception as error:  # scipy lets through whatever its parser stumbles over
            raise _damaged(self.lists, error) from error

    def unpack(self, folder: Path, progress: Progress) -> None:
        """Write the images as PNG files into `folder`, all of them or none; once is enough.

        Raises:
            DataError: The archive cannot be read, or h5py is not installed.
            EnvironmentProblem: The disk refuses.
        """
        with disk_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                if folder.is_dir():
                    return
                draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
                try:
                    with progress.task(f"unpacking {self.images.name}", 1) as bar:
                        for name, pixels in self._images():
                            Image.fromarray(pixels).save(draft / name)
                        bar.advance()
                    draft.replace(folder)
                except BaseException:
                    shutil.rmtree(draft, ignore_errors=True)
                    raise

    def _images(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        try:
            import h5py
        except ImportError as error:
            raise DataError(f"{self.images} needs h5py to be read", _EXTRA) from error
        try:
            with h5py.File(self.images, "r") as file:
                for pair, reference in enumerate(file[self.kind][:].ravel(), 1):
                    # MATLAB stores columns first: (10, identities) here.
                    for person, row in enumerate(file[reference][:].T, 1):
                        yield from self._of_person(file, row, pair, person)
        except (OSError, KeyError, ValueError, AttributeError) as error:
            raise _damaged(self.images, error) from error

    def _of_person(
        self, file: Mapping[Any, Any], row: NDArray[Any], pair: int, person: int
    ) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        for column, reference in enumerate(row):
            pixels = file[reference][:].T
            if pixels.ndim == 3:  # an empty cell stands where a person has fewer images
                camera = 1 if column < 5 else 2
                yield (
                    f"{pair}_{person:03d}_{camera}_{column + 1:02d}.png",
                    np.ascontiguousarray(pixels),
                )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"cannot read {path}: {str(error) or type(error).__name__}",
        "fetch the file again; it must be the one of the archive, unchanged",
    )
