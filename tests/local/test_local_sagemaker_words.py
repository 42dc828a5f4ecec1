"""The pure parts: names of files, words of failures, what a container is given to run."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.aws.sagemaker import ends, states
from local.aws.sagemaker.command import command_of
from local.aws.sagemaker.errors import AwsError
from local.aws.sagemaker.jobs import Place, TrainingJob
from local.aws.sagemaker.opt_ml import OptMl, plain, rebased
from local.aws.sagemaker.pages import page
from local.aws.sagemaker.sessions import Credentials
from local.aws.sagemaker.settings import Settings
from local.aws.sagemaker.shapes import checked
from local.aws.sagemaker.storage import Location, TransferError, local_name


@pytest.mark.parametrize(
    ("prefix", "key", "name"),
    [
        ("data/train", "data/train/a.csv", "a.csv"),
        ("data/train/", "data/train/deep/a.csv", "deep/a.csv"),
        ("data/train.csv", "data/train.csv", "train.csv"),
        ("data/tr", "data/train/a.csv", "train/a.csv"),
        ("", "a.csv", "a.csv"),
        ("a", "abc", "abc"),
    ],
)
def test_a_file_is_named_below_the_prefixs_folder(prefix: str, key: str, name: str) -> None:
    assert local_name(Location("b", prefix), key) == name


@given(st.text("ab./", max_size=8), st.text("ab./", max_size=8))
def test_no_key_leaves_its_folder(prefix: str, rest: str) -> None:
    folder = Path("/opt/ml/input/data/train")
    try:
        name = local_name(Location("b", prefix), prefix + rest)
    except TransferError:
        return
    assert folder in (folder, *(folder / name).resolve().parents, (folder / name).resolve())


@given(st.lists(st.integers()), st.integers(min_value=1, max_value=5))
def test_pages_hold_every_item_once_and_in_order(items: list[int], size: int) -> None:
    read: list[int] = []
    token: str | None = None
    for _ in range(len(items) + 1):
        some, more = page(items, token, size)
        assert len(some) <= size
        read += some
        token = more.get("NextToken")
        if token is None:
            break
    assert read == items
    assert token is None


def test_a_made_up_token_is_refused() -> None:
    with pytest.raises(AwsError, match="Invalid pagination token"):
        page([1, 2], "made-up", 1)


def test_a_word_below_opt_ml_is_pointed_to_the_jobs_directory() -> None:
    words = ["/opt/ml", "/opt/ml/code/train.py", "/opt/mlx", "a/opt/ml/b", "exec sh /opt/ml/x"]
    assert [rebased(word, "/jobs/1") for word in words] == [
        "/jobs/1",
        "/jobs/1/code/train.py",
        "/opt/mlx",
        "a/opt/ml/b",
        "exec sh /jobs/1/x",
    ]


def test_the_sdks_quotes_are_undone_and_other_json_is_left() -> None:
    assert [plain(word) for word in ('"train.py"', "train.py", "0.1", "[1]")] == [
        "train.py",
        "train.py",
        "0.1",
        "[1]",
    ]


def job(**request: Any) -> TrainingJob:  # noqa: ANN401 - members of a request
    algorithm = {"TrainingInputMode": "File", "ContainerEntrypoint": ["python", "/opt/ml/x.py"]}
    whole = {
        "TrainingJobName": "one",
        "AlgorithmSpecification": algorithm,
        "ResourceConfig": {"InstanceType": "ml.m5.large"},
        **request,
    }
    return TrainingJob(Place("123456789012", "us-east-1"), whole, {}, states.created(0.0))


@pytest.mark.parametrize("base", ["/opt/ml", "/jobs/1"])
def test_a_command_knows_its_files_by_where_they_are(tmp_path: Path, base: str) -> None:
    settings = Settings(tmp_path, "http://127.0.0.1:1", "us-east-1")
    command = command_of(job(), OptMl(tmp_path), base, Credentials("k", "s", "t"), settings)
    assert command.argv == ["python", f"{base}/x.py"]
    assert command.environment["SM_MODEL_DIR"] == f"{base}/model"
    assert command.environment["SAGEMAKER_BASE_DIR"] == str(tmp_path)


def test_the_jobs_environment_has_the_last_word(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "http://127.0.0.1:1", "us-east-1")
    asked = job(Environment={"AWS_ENDPOINT_URL": "http://elsewhere", "X": "1"})
    command = command_of(asked, OptMl(tmp_path), "/opt/ml", Credentials("k", "s", "t"), settings)
    assert command.environment["AWS_ENDPOINT_URL"] == "http://elsewhere"
    assert command.environment["X"] == "1"


def test_only_an_internal_error_is_retried() -> None:
    retried = [ends.failed(ends.INTERNAL), ends.failed(ends.CAPACITY), ends.of_exit(1, "")]
    assert [end.is_retried for end in retried] == [True, False, False]


def test_a_reason_is_cut_where_aws_cuts_it() -> None:
    state = states.failed(states.created(0.0), "x" * 2000, 1.0)
    assert state.failure_reason == "x" * 1024
    assert state.is_over


def test_an_unknown_member_is_ignored_and_a_wrong_type_is_not() -> None:
    name = {"TrainingJobName": "one"}
    assert checked("DescribeTrainingJob", {**name, "Nonsense": 1}) == name
    with pytest.raises(AwsError) as refusal:
        checked("DescribeTrainingJob", {"TrainingJobName": 1})
    assert refusal.value.code == "SerializationException"
