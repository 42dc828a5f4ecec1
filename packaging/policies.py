"""Write the IAM policies that template.yaml gives rights with, as AWS would make them, one a file.

For checkers that read policies and no templates: python packaging/policies.py DIRECTORY
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.template.policies import documents
from tests.template.stack import stack


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.json"):
        old.unlink()
    for holder, policies in documents(stack()).items():
        for number, policy in enumerate(policies):
            text = json.dumps(policy, indent=1)
            (directory / f"{holder}-{number}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
