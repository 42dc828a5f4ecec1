from pathlib import Path

import pytest

from resilient_training.run.load_evidence import blames

FOLDER = Path("/opt/ml/work/out/checkpoint-15")


@pytest.mark.parametrize(
    "text",
    [
        f"FileNotFoundError: [Errno 2] No such file or directory: '{FOLDER}/trainer_state.json'",
        f"ValueError: Can't find a valid checkpoint at {FOLDER}",
        "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central",
        "RuntimeError: Error(s) in loading state_dict for Net: size mismatch for a.weight",
        "RuntimeError: Missing key in checkpoint state_dict: model.b.",
        "_pickle.UnpicklingError: invalid load key, 'v'.",
        "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
        "AssertionError: out/checkpoint-15/latest is empty",
    ],
)
def test_an_error_of_loading_or_one_that_names_the_folder_blames_the_checkpoint(text: str) -> None:
    assert blames(text, FOLDER)


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: bad batch",
        "",
        f"OSError: [Errno 28] No space left on device: '{FOLDER}/optimizer.pt'",
        f"PermissionError: [Errno 13] Permission denied: '{FOLDER}'",
        "torch.OutOfMemoryError: CUDA out of memory. Error(s) in loading state_dict",
        "ValueError: /opt/ml/work/out/checkpoint-150 is no folder",
        "ValueError: checkpoint-15 is a name that any text may have",
        "ValueError: /opt/ml/work/out/old-checkpoint-15/x",
    ],
)
def test_what_is_no_fault_of_the_checkpoint_does_not_blame_it(text: str) -> None:
    assert not blames(text, FOLDER)
