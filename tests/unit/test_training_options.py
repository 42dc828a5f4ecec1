import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from digits import is_mnist, load_mnist
from mnist import MnistError
from options import data_folder, hyperparameters, parser_for

IMAGES = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
LABELS = np.array([7, 3], dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def write_mnist(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (folder / "train-labels.idx1-ubyte").write_bytes(idx(LABELS))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[:1])))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS[:1]))


def test_mnist_is_read_from_its_four_files_plain_or_gzipped(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    training, validation = load_mnist(tmp_path)
    assert training.images.shape == (2, 1, 28, 28)
    assert training.images[1, 0, 0, 3].item() == pytest.approx(IMAGES[1, 0, 3] / 255)
    assert training.labels.tolist() == [7, 3]
    assert validation.images.shape == (1, 1, 28, 28)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    damaged = tmp_path / "t10k-images-idx3-ubyte.gz"
    packed = bytearray(damaged.read_bytes())
    packed[12:20] = b"\xff" * 8
    damaged.write_bytes(packed)
    with pytest.raises(MnistError, match=r"t10k-images-idx3-ubyte\.gz cannot be read"):
        load_mnist(tmp_path)


def test_three_of_the_four_files_are_not_mnist(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert not is_mnist(tmp_path)


def test_the_channel_with_mnist_is_found_by_variable_or_by_folder(tmp_path: Path) -> None:
    assert data_folder({}, tmp_path) is None
    write_mnist(tmp_path / "input" / "data" / "data")
    assert data_folder({}, tmp_path) == tmp_path / "input" / "data" / "data"
    write_mnist(tmp_path / "named")
    named = {"SM_CHANNEL_TRAINING": str(tmp_path / "named")}
    assert data_folder(named, tmp_path) == tmp_path / "named"


def test_hyperparameters_are_strings_perhaps_quoted_twice(tmp_path: Path) -> None:
    given = {"epochs": "3", "batch-size": '"16"', "seed": 5, "sagemaker_program": '"train.py"'}
    assert hyperparameters({"SM_HPS": json.dumps(given)}, tmp_path) == {
        "epochs": "3",
        "batch_size": "16",
        "seed": "5",
        "sagemaker_program": "train.py",
    }


def test_the_command_line_goes_before_the_hyperparameters_and_these_before_the_defaults(
    tmp_path: Path,
) -> None:
    environment = {
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "SM_HPS": json.dumps({"epochs": "3", "seconds-per-step": "0.5", "sagemaker_x": "1"}),
    }
    options = parser_for(environment, "").parse_args(["--epochs", "9"])
    assert (options.epochs, options.seconds_per_step, options.batch_size) == (9, 0.5, 64)
    assert not hasattr(options, "sagemaker_x")


def test_without_sm_hps_sagemakers_own_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "input" / "config" / "hyperparameters.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"epochs": "2"}))
    environment = {"SAGEMAKER_BASE_DIR": str(tmp_path), "TRAINING_JOB_NAME": "x"}
    assert parser_for(environment, "").parse_args([]).epochs == 2


def test_the_folders_are_sagemakers_in_a_job_and_local_ones_elsewhere() -> None:
    inside = parser_for({"TRAINING_JOB_NAME": "x"}, "").parse_args([])
    assert inside.checkpoint_dir == Path("/opt/ml/checkpoints")
    assert inside.model_dir == Path("/opt/ml/model")
    assert parser_for({}, "").parse_args([]).checkpoint_dir == Path("outputs/checkpoints")
