"""What others have learned about templates, and what CloudFormation itself will not take."""

import re
from pathlib import Path

from cfnlint.api import ManualArgs, lint_file

from tests.template.stack import ROOT

TEMPLATE = ROOT / "template.yaml"
# The most that CreateStack takes in the request itself; a longer one needs a bucket.
INLINE = 51_200


def test_cfn_lint_finds_nothing() -> None:
    matches = lint_file(TEMPLATE, config=ManualArgs(regions=["us-east-1", "eu-west-1"]))
    assert [str(match) for match in matches] == []


def test_cfn_lint_finds_a_fault_when_there_is_one(tmp_path: Path) -> None:
    broken = tmp_path / "template.yaml"
    broken.write_text(TEMPLATE.read_text().replace("VisibilityTimeout: 360", "Visibility: 360"))
    assert lint_file(broken, config=ManualArgs(regions=["us-east-1"]))


def test_the_template_fits_into_one_request() -> None:
    assert TEMPLATE.stat().st_size < INLINE


def test_no_anchors_for_cloudformation_knows_none() -> None:
    assert not re.search(r"[:,\[-] +[&*]\w", TEMPLATE.read_text())


def test_a_line_fits_on_a_screen() -> None:
    too_long = re.compile(r".{140,}")
    assert not [line for line in TEMPLATE.read_text().splitlines() if too_long.match(line)]
