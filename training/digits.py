"""Handwritten digits: the images and a small network that learns to read them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from mnist import MD5, content_of, names_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch.optim import Optimizer

_VALIDATION = 360


class Digits(NamedTuple):
    """Images as float in 0..1, shape (n, 1, height, width), and labels."""

    images: Tensor
    labels: Tensor


def is_mnist(folder: Path) -> bool:
    return all(_idx_file(folder, name) is not None for name in MD5)


def load_mnist(folder: Path) -> tuple[Digits, Digits]:
    """Training and validation images from the four IDX files of MNIST, plain or gzipped."""
    images, labels, test_images, test_labels = (_read_idx(folder, name) for name in MD5)
    return _digits(images / 255, labels), _digits(test_images / 255, test_labels)


def load_small() -> tuple[Digits, Digits]:
    """scikit-learn's 1,797 images of 8 by 8; the split is the same in every attempt."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  # a second that MNIST need not pay

    found = load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(0)).numpy()
    images, labels = found.images[order] / 16, found.target[order]
    training = _digits(images[_VALIDATION:], labels[_VALIDATION:])
    return training, _digits(images[:_VALIDATION], labels[:_VALIDATION])


def _digits(images: np.ndarray, labels: np.ndarray) -> Digits:
    tensor = torch.from_numpy(images.astype(np.float32)).unsqueeze(1)
    return Digits(tensor, torch.from_numpy(labels.astype(np.int64)))


def _idx_file(folder: Path, name: str) -> Path | None:
    candidates = (folder / one for one in names_of(name))
    return next((path for path in candidates if path.is_file()), None)


def _read_idx(folder: Path, name: str) -> np.ndarray:
    """Two zero bytes, the type (8: unsigned byte), the number of dimensions, each as 4 bytes."""
    content = content_of(_idx_file(folder, name) or folder / name)
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


class DigitsData(LightningDataModule):
    """MNIST out of `folder`, else the small digits; with `images` only the first so many."""

    def __init__(self, folder: Path | None, *, batch_size: int, images: int | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.batch_size = batch_size
        self.images = images

    @override
    def setup(self, stage: str) -> None:
        self.training, self.validation = load_mnist(self.folder) if self.folder else load_small()

    @override
    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        training = TensorDataset(*(part[: self.images] for part in self.training))
        return DataLoader(training, batch_size=self.batch_size, shuffle=True)

    @override
    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(TensorDataset(*self.validation), batch_size=512)


class DigitReader(LightningModule):
    """Two convolutions with dropout, on images that are shifted and made noisy as they come."""

    def __init__(self, learning_rate: float, seconds_per_step: float = 0) -> None:
        super().__init__()
        self.save_hyperparameters("learning_rate")
        self.learning_rate = learning_rate
        self.seconds_per_step = seconds_per_step
        self.network = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Dropout(0.25),
            nn.Linear(32 * 16, 10),
        )

    @override
    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits

    @override
    def training_step(self, batch: list[Tensor]) -> Tensor:
        time.sleep(self.seconds_per_step)
        images, labels = batch
        loss = nn.functional.cross_entropy(self(augmented(images)), labels)
        self.log("train_loss", loss)
        return loss

    @override
    def validation_step(self, batch: list[Tensor]) -> None:
        images, labels = batch
        logits = self(images)
        self.log("val_loss", nn.functional.cross_entropy(logits, labels))
        self.log("val_accuracy", (logits.argmax(1) == labels).float().mean())

    @override
    def configure_optimizers(self) -> Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


def augmented(images: Tensor) -> Tensor:
    """Shift a batch by up to one pixel each way and add noise, from torch's own randomness."""
    down, right = torch.randint(-1, 2, (2,)).tolist()
    shifted = torch.roll(images, (down, right), dims=(2, 3))
    return shifted + 0.05 * torch.randn_like(shifted)
