"""What lies in the bucket for trainings to run, and who may have put it there."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from launch import trainer_of
from launching.account import LaunchError
from launching.bucket import ensure_bucket
from launching.storage import Store, upload
from tests.unit.small_launch import ACCOUNT, SPEC, account

OWNER = ACCOUNT.number
# The smallest part that S3 takes.
PART = 5 * 2**20


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with account() as session:
        yield session


@pytest.fixture
def s3(aws: boto3.Session) -> BaseClient:
    client = aws.client("s3")
    ensure_bucket(client, ACCOUNT, name="home")
    return client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    for name in ("train.py", "package/a.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    return source


def sent(s3: BaseClient, folder: Path) -> str:
    """Upload the folder; gives the key that its files' keys begin with."""
    store = Store(s3, OWNER, part=PART)
    return upload(store, "home/code", str(folder)).removeprefix("s3://home/")


def keys_of(s3: BaseClient, bucket: str = "home") -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def read(s3: BaseClient, key: str) -> bytes:
    found: bytes = s3.get_object(Bucket="home", Key=key)["Body"].read()
    return found


def places_of(request: Mapping[str, Any]) -> dict[str, str]:
    channels = request["InputDataConfig"]
    return {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in channels}


def test_a_folder_lies_at_the_whole_hash_of_its_content(s3: BaseClient, folder: Path) -> None:
    place = sent(s3, folder)
    assert len(bytes.fromhex(place.removeprefix("code/").rstrip("/"))) == 32
    assert keys_of(s3) == [f"{place}package/a.py", f"{place}train.py"]


def test_what_is_there_is_not_sent_again(s3: BaseClient, folder: Path) -> None:
    place = sent(s3, folder)
    before = s3.head_object(Bucket="home", Key=f"{place}train.py")["LastModified"]
    s3.delete_object(Bucket="home", Key=f"{place}package/a.py")
    puts: list[str] = []
    s3.meta.events.register(
        "before-parameter-build.s3.PutObject", lambda params, **_: puts.append(params["Key"])
    )
    assert sent(s3, folder) == place
    assert puts == [f"{place}package/a.py"]
    assert s3.head_object(Bucket="home", Key=f"{place}train.py")["LastModified"] == before


@pytest.mark.parametrize("forged", [{"ChecksumAlgorithm": "SHA256"}, {}])
def test_code_that_somebody_has_overwritten_stops_the_launch(
    s3: BaseClient, folder: Path, forged: dict[str, str]
) -> None:
    place = sent(s3, folder)
    s3.put_object(Bucket="home", Key=f"{place}train.py", Body=b"steal()!", **forged)
    with pytest.raises(LaunchError, match=rf"s3://home/{place}train\.py is not what was uploaded"):
        sent(s3, folder)


def test_code_that_somebody_has_put_there_first_stops_the_launch(
    s3: BaseClient, folder: Path
) -> None:
    place = upload(Store(None, OWNER), "home/code", str(folder)).removeprefix("s3://home/")
    s3.put_object(
        Bucket="home", Key=f"{place}train.py", Body=b"steal()", ChecksumAlgorithm="SHA256"
    )
    with pytest.raises(LaunchError, match="is not what was uploaded"):
        sent(s3, folder)


def test_a_module_that_somebody_has_added_beside_the_code_stops_the_launch(
    s3: BaseClient, folder: Path
) -> None:
    """SageMaker copies all that lies there, and Python would import it before torch."""
    place = sent(s3, folder)
    s3.put_object(Bucket="home", Key=f"{place}torch.py", Body=b"steal()")
    with pytest.raises(LaunchError, match=rf"s3://home/{place}torch\.py was added"):
        sent(s3, folder)


def test_each_page_of_a_listing_is_read(s3: BaseClient, folder: Path) -> None:
    place = sent(s3, folder)
    s3.put_object(Bucket="home", Key=f"{place}wandb.py", Body=b"steal()")
    s3.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2",
        lambda params, **_: params.update(MaxKeys=1),
    )
    with pytest.raises(LaunchError, match=r"wandb\.py was added"):
        sent(s3, folder)


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART])
def test_a_file_of_any_size_is_recognised(s3: BaseClient, tmp_path: Path, size: int) -> None:
    data = tmp_path / "data"
    with data.open("wb") as file:
        file.truncate(size)
    assert sent(s3, data) == sent(s3, data)


def test_the_digests_of_a_large_files_parts_do_not_pass_for_the_file(
    s3: BaseClient, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with data.open("wb") as file:
        file.truncate(PART)
    place = sent(s3, data)
    digest = hashlib.sha256(data.read_bytes()).digest()
    s3.put_object(Bucket="home", Key=f"{place}data", Body=digest, ChecksumAlgorithm="SHA256")
    with pytest.raises(LaunchError, match="is not what was uploaded"):
        sent(s3, data)


def test_every_call_names_the_account_that_must_own_the_bucket(
    s3: BaseClient, folder: Path
) -> None:
    asked: dict[str, set[str | None]] = {}

    def note(params: Mapping[str, Any], model: Any, **_: object) -> None:  # noqa: ANN401 - boto3 has no types
        asked.setdefault(model.name, set()).add(params.get("ExpectedBucketOwner"))

    s3.meta.events.register("before-parameter-build.s3", note)
    sent(s3, folder)
    sent(s3, folder)
    ensure_bucket(s3, ACCOUNT, name="home")
    ensure_bucket(s3, ACCOUNT, name="new")
    created = asked.pop("CreateBucket")
    assert created == {None}  # nobody owns it yet
    assert set(asked) >= {"ListObjectsV2", "HeadObject", "PutObject", "PutPublicAccessBlock"}
    assert all(owners == {OWNER} for owners in asked.values())


def test_a_bucket_of_the_launchers_is_private_encrypted_and_versioned(s3: BaseClient) -> None:
    assert settings_of(s3, "home") == ("Enabled", "AES256", 1)


def settings_of(s3: BaseClient, name: str) -> tuple[str | None, str, int]:
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    return (
        s3.get_bucket_versioning(Bucket=name).get("Status"),
        rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        len([one for one in lifecycle if "AbortIncompleteMultipartUpload" in one]),
    )


def test_an_older_bucket_of_the_launchers_is_brought_to_that_and_keeps_its_own_rules(
    aws: boto3.Session,
) -> None:
    s3 = aws.client("s3")
    older(s3, "old")
    for _ in range(2):
        ensure_bucket(s3, ACCOUNT, name="old", ours=True)
        assert settings_of(s3, "old") == ("Enabled", "AES256", 1)
    rules = s3.get_bucket_lifecycle_configuration(Bucket="old")["Rules"]
    assert next(one["ID"] for one in rules) == "theirs"
    assert len(rules) == 2


def test_a_bucket_of_somebody_elses_making_stays_as_it_is(aws: boto3.Session) -> None:
    s3 = aws.client("s3")
    older(s3, "theirs")
    ensure_bucket(s3, ACCOUNT, name="theirs")
    assert "Status" not in s3.get_bucket_versioning(Bucket="theirs")


def older(s3: BaseClient, name: str) -> None:
    place = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
    expire = {"Expiration": {"Days": 9}, "Filter": {"Prefix": "tmp/"}, "Status": "Enabled"}
    s3.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": [{"ID": "theirs", **expire}]}
    )


def test_source_is_uploaded_without_what_belongs_to_the_launching_machine(
    aws: boto3.Session, s3: BaseClient, folder: Path
) -> None:
    (folder / "launching").mkdir()
    for name in ("launch.py", "launching/b.py", ".env", "x.pyc"):
        (folder / name).write_text(name)
    spec = replace(SPEC, source=folder)
    places = places_of(trainer_of(spec, aws).request())
    code = places["code"].removeprefix("s3://home/")
    mine = [key for key in keys_of(s3) if key.startswith(code)]
    assert mine == [f"{code}package/a.py", f"{code}train.py"]
    drivers = places["sm_drivers"].removeprefix("s3://home/")
    assert f"{drivers}sm_train.sh" in keys_of(s3)
    before = keys_of(s3)
    assert places_of(trainer_of(spec, aws).request()) == places
    assert keys_of(s3) == before


def test_edited_source_leaves_the_place_of_an_earlier_job_alone(
    s3: BaseClient, folder: Path
) -> None:
    before = sent(s3, folder)
    (folder / "train.py").write_text("edited")
    assert sent(s3, folder) != before
    assert read(s3, f"{before}train.py") == b"train.py"


def test_the_projects_own_source_is_whole(aws: boto3.Session, s3: BaseClient) -> None:
    place = places_of(trainer_of(SPEC, aws).request())["code"].removeprefix("s3://home/")
    files = {key.removeprefix(place) for key in keys_of(s3) if key.startswith(place)}
    assert {"train.py", "digits.py", "options.py", "requirements.lock"} <= files
    assert {"resilient_training/__init__.py", "resilient_training/checkpoints/resume.py"} <= files
    assert not {file for file in files if file.startswith("launch")}
