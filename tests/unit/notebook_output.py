"""What a notebook shows."""

import json
from pathlib import Path
from typing import Any


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def shown(path: Path) -> str:
    """All text that the notebook's cells have shown."""
    outputs = [output for cell in code_cells(path) for output in cell["outputs"]]
    texts = [output.get("text") or output["data"].get("text/plain", "") for output in outputs]
    return "\n".join("".join(text) for text in texts)
