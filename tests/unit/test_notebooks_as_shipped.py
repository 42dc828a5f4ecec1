import re
from pathlib import Path

import pytest

from tests.unit.notebook_output import code_cells, shown

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
_HOME = re.compile(r"/(home|root|Users)/\w|/work/")
_FOREIGN = re.compile(r"https?://(?!127\.0\.0\.1)[\w.]+")
_KEY = re.compile(r"\b[0-9a-f]{40}\b|\bAKIA\w{16}\b|local-[0-9a-f]{20,}")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def test_both_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["1-local-training", "2-sagemaker-training-job"]


def test_it_ships_as_it_ran_once_from_top_to_bottom(notebook: Path) -> None:
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert kinds <= {"stream", "display_data", "execute_result"}
    assert all(
        output.get("name", "stdout") == "stdout" for cell in cells for output in cell["outputs"]
    )


def test_it_ships_with_its_plots(notebook: Path) -> None:
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("unwanted", [_HOME, _FOREIGN, _KEY, re.compile("\x1b")])
def test_it_shows_no_place_of_its_author_no_key_and_no_colour_of_a_terminal(
    notebook: Path, unwanted: re.Pattern[str]
) -> None:
    assert unwanted.search(shown(notebook)) is None
