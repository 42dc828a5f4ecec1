"""What the README shows is what the tests run."""

import re
from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[2] / "training"
README = (TRAINING / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
EXAMPLES = sorted((TRAINING / "examples").glob("*.py"))


@pytest.mark.parametrize("block", [text for language, text in BLOCKS if language == "python"])
def test_each_block_of_python_stands_in_an_example_that_is_killed_and_resumed(block: str) -> None:
    holding = [path.name for path in EXAMPLES if f"\n{block}" in path.read_text(encoding="utf-8")]
    killed = (Path(__file__).parents[1] / "local" / "test_training_examples.py").read_text()
    assert [name for name in holding if f'"{name}"' in killed]


@pytest.mark.parametrize("path", re.findall(r"(?:training/|`)((?:\w+/)?\w+\.py)\b", README))
def test_each_script_that_is_named_is_there(path: str) -> None:
    assert (TRAINING / path).is_file()


def test_there_is_something_to_look_at() -> None:
    assert len([language for language, _ in BLOCKS if language == "python"]) >= 4
