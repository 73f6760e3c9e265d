"""Real handwritten digits: scikit-learn's bundled 8 x 8 set, or MNIST idx files."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_IMAGES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
_LABELS = ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")
_MAGIC_IMAGES, _MAGIC_LABELS = 2051, 2049


@dataclass(frozen=True)
class Digits:
    """Images as rows, scaled to [0, 1], and their labels, split in two.

    Attributes
    ----------
    name : str
    side : int
        Images are `side` x `side`.
    train_x, test_x : ndarray of float, (n, side * side)
    train_y, test_y : ndarray of int64, (n,)
    own_test : bool
        Whether the test images are a set of their own, and not held out from one set.
    """

    name: str
    side: int
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    own_test: bool = False


def bundled_digits(dtype: str = "float32") -> Digits:
    """The 1,797 digits that come with scikit-learn; every fifth one is held out.

    Raises
    ------
    ImportError
        If scikit-learn is not installed; the message says how to get it.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the bundled digits need scikit-learn: python3 -m pip install -e '.[demo]', "
            "or pass --data DIR with MNIST's idx files"
        ) from error
    images, labels = load_digits(return_X_y=True)
    return _split("scikit-learn digits", 8, images / 16.0, labels, dtype, every=5)


def mnist_digits(folder: Path, dtype: str = "float32") -> Digits:
    """Digits from MNIST's idx files, plain or gzipped.

    With the training files the test files are held out; with the test files alone, every fifth
    image of them.

    Parameters
    ----------
    folder : Path
        Where files named like ``t10k-images-idx3-ubyte.gz`` lie.

    Raises
    ------
    FileNotFoundError
        If the test files are missing.
    ValueError
        If a file is not in idx format or is cut short.
    """
    pairs = []
    for images_name, labels_name in zip(_IMAGES, _LABELS, strict=True):
        images_path, labels_path = _find(folder, images_name), _find(folder, labels_name)
        if images_path is not None and labels_path is not None:
            pairs.append((_read_images(images_path), _read_labels(labels_path)))
    if not pairs:
        raise FileNotFoundError(
            f"no MNIST files in {folder}: expected {_IMAGES[1]} and {_LABELS[1]}, "
            "plain or with .gz"
        )
    images, labels = pairs[-1]
    side = images.shape[1]
    flat = images.reshape(len(images), -1) / 255.0
    if len(pairs) == 1:
        return _split("MNIST test set", side, flat, labels, dtype, every=5)
    train_images, train_labels = pairs[0]
    train = train_images.reshape(len(train_images), -1) / 255.0
    return Digits(
        "MNIST",
        side,
        train.astype(dtype),
        train_labels.astype("int64"),
        flat.astype(dtype),
        labels.astype("int64"),
        own_test=True,
    )


def _split(
    name: str, side: int, x: np.ndarray, y: np.ndarray, dtype: str, every: int
) -> Digits:
    held_out = np.arange(len(x)) % every == every - 1
    x, y = x.astype(dtype), y.astype("int64")
    return Digits(name, side, x[~held_out], y[~held_out], x[held_out], y[held_out])


def _find(folder: Path, stem: str) -> Path | None:
    return next((p for p in (folder / stem, folder / f"{stem}.gz") if p.is_file()), None)


def _read(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def _read_images(path: Path) -> np.ndarray:
    raw = _read(path)
    magic, count, rows, columns = struct.unpack(">4i", raw[:16])
    if magic != _MAGIC_IMAGES or len(raw) != 16 + count * rows * columns:
        raise ValueError(f"{path} is not a complete idx file of images")
    return np.frombuffer(raw, np.uint8, offset=16).reshape(count, rows, columns)


def _read_labels(path: Path) -> np.ndarray:
    raw = _read(path)
    magic, count = struct.unpack(">2i", raw[:8])
    if magic != _MAGIC_LABELS or len(raw) != 8 + count:
        raise ValueError(f"{path} is not a complete idx file of labels")
    return np.frombuffer(raw, np.uint8, offset=8)
