"""Write the IAM policies that template.yaml gives rights with, as AWS would make them, one a file.

Each twice: as the stack comes, and with every option.

For checkers that read policies and no templates: python packaging/policies.py DIRECTORY
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.template.policies import documents
from tests.template.stack import stack, with_everything

# What parliament takes for a mistake, with the reason; tests/template/test_least_privilege.py
# sees it like any other statement.
LEFT_OUT = {
    # It wants a training job among the resources of every CreateTrainingJob; SageMaker asks for
    # a plan beside the job.
    "UseThePlanOfTheParent",
}


def without_left_out(policy: dict[str, Any]) -> dict[str, Any]:
    kept = [one for one in policy["Statement"] if one.get("Sid") not in LEFT_OUT]
    return {**policy, "Statement": kept}


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.json"):
        old.unlink()
    for of, made in {"default": stack(), "everything": with_everything()}.items():
        for holder, policies in documents(made).items():
            for number, policy in enumerate(policies):
                text = json.dumps(without_left_out(policy), indent=1)
                (directory / f"{holder}-{number}-{of}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
