"""A training job as its user sees it: what its container gets, does and leaves."""

import io
import json
import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.local.local_sagemaker_driver import (
    BUCKET,
    ROLE,
    Driver,
    alive,
    archive,
    policy,
    sagemaker_in,
    ticks,
)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    options = ("--stop-grace", "0.5", "--checkpoint-sync", "0.05")
    with sagemaker_in(tmp_path_factory.mktemp("aws"), *options) as driver:
        yield driver


def channel(name: str, uri: str) -> dict[str, object]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def test_a_job_that_ends_with_0_is_completed_and_its_model_is_in_s3(local: Driver) -> None:
    job = local.run("done", "echo weights > /opt/ml/model/weights")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert model == f"s3://{BUCKET}/runs/done/output/model.tar.gz"
    assert archive(local, model) == {"weights": "weights\n"}


def test_its_transitions_follow_one_another_without_a_gap(local: Driver) -> None:
    job = local.run("in-order")
    steps = job["SecondaryStatusTransitions"]
    assert [step["Status"] for step in steps] == [
        "Starting",
        "Pending",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    for before, after in pairwise(steps):
        assert before["EndTime"] == after["StartTime"]
    assert steps[-1]["StatusMessage"] == "Training job completed"
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]


def test_the_failure_file_is_the_reason_cut_at_1024_characters(local: Driver) -> None:
    script = "printf 'ValueError: %2000s' x > /opt/ml/output/failure; exit 3"
    job = local.run("long-story", script)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ValueError: ")
    assert len(job["FailureReason"]) == 1024


def test_a_failure_without_a_word_says_its_exit_code(local: Driver) -> None:
    job = local.run("wordless", "exit 7")
    assert job["FailureReason"] == "AlgorithmError: , exit code: 7"


def test_a_container_that_kills_itself_ends_with_137(local: Driver) -> None:
    job = local.run("self-killed", "kill -9 $$")
    assert job["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_the_toolkits_failure_file_is_told_as_the_toolkit_told_it(local: Driver) -> None:
    told = 'ExecuteUserScriptError:\\nExitCode 1\\nErrorMessage "boom"\\nCommand "python t.py"'
    job = local.run("toolkit", f"printf '{told}' > /opt/ml/output/failure; exit 1")
    assert job["FailureReason"] == (
        'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "boom"\n'
        'Command "python t.py"'
    )


def test_a_command_that_is_not_there_is_an_internal_error(local: Driver) -> None:
    algorithm = {
        **local.request("x")["AlgorithmSpecification"],
        "ContainerEntrypoint": ["no-such-program"],
    }
    job = local.run("no-program", AlgorithmSpecification=algorithm)
    assert job["FailureReason"].startswith("InternalServerError: ")
    assert "no-such-program: No such file" in local.log("no-program")


def test_the_container_sees_its_own_environment_and_not_the_servers(local: Driver) -> None:
    local.run("env", "env", Environment={"WANDB_RUN_ID": "r1"}, HyperParameters={"lr": "0.1"})
    seen = dict(line.partition("=")[::2] for line in local.log("env").splitlines())
    assert seen["WANDB_RUN_ID"] == "r1"
    assert seen["TRAINING_JOB_NAME"] == "env"
    assert seen["TRAINING_JOB_ARN"] == local.arn("env")
    assert json.loads(seen["SM_HPS"]) == {"lr": "0.1"}
    assert seen["AWS_ENDPOINT_URL"] == local.aws.endpoint
    assert seen["AWS_SECRET_ACCESS_KEY"] != local.aws.secret_key
    assert "GATEWAY_PORT" not in seen


def test_config_files_lie_where_sagemaker_puts_them(local: Driver) -> None:
    script = "cd $SAGEMAKER_BASE_DIR/input/config && cat hyperparameters.json && echo && cat res*"
    local.run("config", script, HyperParameters={"epochs": "2"})
    hyperparameters, resources = map(json.loads, local.log("config").splitlines())
    assert hyperparameters == {"epochs": "2"}
    assert resources["current_host"] == "algo-1"
    assert resources["hosts"] == ["algo-1"]


def test_channels_come_down_from_s3(local: Driver) -> None:
    local.s3.put_object(Bucket=BUCKET, Key="data/train/deep/a.csv", Body=b"1,2")
    local.s3.put_object(Bucket=BUCKET, Key="data/other/b.csv", Body=b"3")
    channels = [channel("train", f"s3://{BUCKET}/data/train")]
    local.run(
        "channels", "cd $SM_CHANNEL_TRAIN; find . -type f; cat deep/a.csv", InputDataConfig=channels
    )
    assert local.log("channels") == "./deep/a.csv\n1,2"


def test_a_channel_without_objects_fails_the_download(local: Driver) -> None:
    channels = [channel("train", f"s3://{BUCKET}/nothing/here")]
    job = local.run("no-data", InputDataConfig=channels)
    assert job["FailureReason"] == (
        f"ClientError: Data download failed:No S3 objects found under S3 URL "
        f"s3://{BUCKET}/nothing/here"
    )
    assert "Training" not in local.statuses(job)


def test_a_double_slash_in_a_key_fails_the_download(local: Driver) -> None:
    local.s3.put_object(Bucket=BUCKET, Key="odd//x", Body=b"")
    job = local.run("odd-key", InputDataConfig=[channel("train", f"s3://{BUCKET}/odd/")])
    assert job["FailureReason"] == (
        "ClientError: Data download failed:Failed to download data. S3 key: "
        f"s3://{BUCKET}/odd//x has an illegal char sub-sequence '//' in it"
    )


def test_a_role_that_may_not_read_the_channel_fails_the_download(local: Driver) -> None:
    iam = local.aws.client("iam")
    trusting = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    iam.create_role(RoleName="blind", AssumeRolePolicyDocument=json.dumps(trusting))
    local.s3.put_object(Bucket=BUCKET, Key="secret/a", Body=b"")
    channels = [channel("train", f"s3://{BUCKET}/secret/")]
    job = local.run("blind", RoleArn=local.role("blind"), InputDataConfig=channels)
    assert job["FailureReason"].startswith("ClientError: Data download failed:Failed to download")
    assert "AccessDenied" in job["FailureReason"]


def test_a_job_without_a_bucket_for_its_model_fails_the_upload(local: Driver) -> None:
    job = local.run("no-bucket", OutputDataConfig={"S3OutputPath": "s3://not-there/x"})
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:")


def test_the_job_acts_as_its_role_and_no_more(local: Driver) -> None:
    iam = local.aws.client("iam")
    trusting = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    iam.create_role(RoleName="writer", AssumeRolePolicyDocument=json.dumps(trusting))
    write = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    iam.put_role_policy(RoleName="writer", PolicyName="w", PolicyDocument=policy(write))
    code = (
        "import boto3; boto3.client('sts').get_caller_identity(); s3 = boto3.client('s3');"
        f"s3.put_object(Bucket='{BUCKET}', Key='from-job', Body=b'hi'); s3.list_buckets()"
    )
    local.run("acting", f'python -c "{code}"', RoleArn=local.role("writer"))
    assert local.s3.get_object(Bucket=BUCKET, Key="from-job")["Body"].read() == b"hi"
    assert "not authorized to perform: s3:ListAllMyBuckets" in local.log("acting")
    assert "assumed-role/writer/SageMaker" in local.log("acting")


def test_without_an_entrypoint_the_code_channels_train_py_runs(local: Driver) -> None:
    script = b"import sys; print(sys.argv[1:]); raise ValueError('bad batch')"
    local.s3.put_object(Bucket=BUCKET, Key="code/train.py", Body=script)
    algorithm = {"TrainingImage": "x", "TrainingInputMode": "File"}
    job = local.run(
        "default-program",
        AlgorithmSpecification=algorithm,
        InputDataConfig=[channel("code", f"s3://{BUCKET}/code/")],
        HyperParameters={"epochs": "3"},
    )
    assert local.log("default-program").startswith("['--epochs', '3']")
    assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n")
    assert "ValueError: bad batch" in job["FailureReason"]
    assert job["FailureReason"].endswith('Command "python train.py --epochs 3"')


def test_the_sdks_source_archive_is_unpacked_and_its_program_runs(local: Driver) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        program = b"print('from the archive')"
        entry = tarfile.TarInfo("fit.py")
        entry.size = len(program)
        tar.addfile(entry, io.BytesIO(program))
    local.s3.put_object(Bucket=BUCKET, Key="src/sourcedir.tar.gz", Body=content.getvalue())
    hyperparameters = {
        "sagemaker_submit_directory": f'"s3://{BUCKET}/src/sourcedir.tar.gz"',
        "sagemaker_program": '"fit.py"',
    }
    algorithm = {"TrainingImage": "x", "TrainingInputMode": "File"}
    job = local.run("sdk", AlgorithmSpecification=algorithm, HyperParameters=hyperparameters)
    assert job["TrainingJobStatus"] == "Completed"
    assert local.log("sdk") == "from the archive\n"


def test_checkpoints_go_to_s3_during_the_training_and_come_back(local: Driver) -> None:
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints/one"}
    local.start("saver", "echo 7 > /opt/ml/checkpoints/step; sleep 60", CheckpointConfig=config)
    for _ in ticks():
        if "Contents" in local.s3.list_objects_v2(Bucket=BUCKET, Prefix="checkpoints/one/"):
            break
    assert local.describe("saver")["SecondaryStatus"] == "Training"
    local.sagemaker.stop_training_job(TrainingJobName="saver")
    local.until("saver")
    local.run("resumer", "cat /opt/ml/checkpoints/step", CheckpointConfig=config)
    assert local.log("resumer") == "7\n"


def test_a_checkpoint_that_is_deleted_in_the_container_is_deleted_in_s3(local: Driver) -> None:
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints/rotated"}
    local.s3.put_object(Bucket=BUCKET, Key="checkpoints/rotated/step-1/a", Body=b"restored")
    local.s3.put_object(Bucket=BUCKET, Key="checkpoints/rotated-not/a", Body=b"another's")
    script = (
        "cd /opt/ml/checkpoints; mkdir step-2; echo 2 > step-2/a; echo up;"
        "until [ -e /opt/ml/go ]; do sleep 0.05; done; rm -r step-1; echo gone;"
        "until [ -e /opt/ml/end ]; do sleep 0.05; done; rm step-2/a; echo 3 > b"
    )
    local.start("rotated", script, CheckpointConfig=config)
    directory = Path(until_keys(local, "rotated", {"rotated/step-1/a", "rotated/step-2/a"}))
    (directory / "go").touch()
    until_keys(local, "rotated", {"rotated/step-2/a"})
    (directory / "end").touch()
    assert local.until("rotated")["TrainingJobStatus"] == "Completed"
    until_keys(local, "rotated", {"rotated/b"})
    assert local.s3.head_object(Bucket=BUCKET, Key="checkpoints/rotated-not/a")


def until_keys(driver: Driver, name: str, wanted: set[str]) -> str:
    """Wait until these and no others are below the job's checkpoints; its directory."""
    found: set[str] = set()
    for _ in ticks():
        listed = driver.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"checkpoints/{name}/")
        found = {one["Key"].removeprefix("checkpoints/") for one in listed.get("Contents", ())}
        if found == wanted:
            return str(driver.overview(name)["directories"][0])
    raise AssertionError(f"{found} are there, and not {wanted}")


def test_a_role_that_may_not_delete_leaves_the_checkpoint_in_s3(local: Driver) -> None:
    iam = local.aws.client("iam")
    trusting = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    iam.create_role(RoleName="keeper", AssumeRolePolicyDocument=json.dumps(trusting))
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    refused = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}
    iam.put_role_policy(RoleName="keeper", PolicyName="k", PolicyDocument=policy(allowed, refused))
    local.s3.put_object(Bucket=BUCKET, Key="checkpoints/kept/a", Body=b"restored")
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints/kept"}
    job = local.run(
        "kept", "rm /opt/ml/checkpoints/a", CheckpointConfig=config, RoleArn=local.role("keeper")
    )
    assert job["TrainingJobStatus"] == "Completed"
    assert local.s3.head_object(Bucket=BUCKET, Key="checkpoints/kept/a")


def test_output_data_is_uploaded_even_when_the_job_fails(local: Driver) -> None:
    job = local.run("leaves", "echo plot > /opt/ml/output/data/p; echo m > /opt/ml/model/m; exit 1")
    uri = f"s3://{BUCKET}/runs/leaves/output/output.tar.gz"
    assert archive(local, uri) == {"p": "plot\n"}
    assert "ModelArtifacts" not in job


def test_the_log_is_in_cloudwatch(local: Driver) -> None:
    local.run("spoken", "echo one; echo two >&2")
    logs, group = local.aws.client("logs"), "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="spoken/algo-1-")
    (stream,) = (one["logStreamName"] for one in streams["logStreams"])
    said = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    assert [event["message"] for event in said["events"]] == ["one", "two"]


def test_stopping_asks_the_main_process_first(local: Driver) -> None:
    script = "trap 'echo saved > /opt/ml/model/m; exit 143' TERM; echo up; sleep 60 & wait"
    local.start("gentle", script)
    local.until_said("gentle", "up")
    local.sagemaker.stop_training_job(TrainingJobName="gentle")
    assert local.describe("gentle")["TrainingJobStatus"] in ("Stopping", "Stopped")
    job = local.until("gentle")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "FailureReason" not in job
    assert local.statuses(job)[-3:] == ["Stopping", "Uploading", "Stopped"]
    assert archive(local, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"m": "saved\n"}


def test_a_container_deaf_to_sigterm_is_killed_after_the_grace(local: Driver) -> None:
    local.start("deaf", "trap '' TERM; echo up; while :; do sleep 0.1; done")
    local.until_said("deaf", "up")
    processes = local.overview("deaf")["pids"]
    local.sagemaker.stop_training_job(TrainingJobName="deaf")
    job = local.until("deaf")
    assert job["SecondaryStatus"] == "Stopped"
    assert not alive(processes)


def test_the_time_limit_ends_a_job_as_stopped(local: Driver) -> None:
    job = local.run(
        "too-long",
        "trap 'echo asked; exit 0' TERM; sleep 60 & wait",
        StoppingCondition={"MaxRuntimeInSeconds": 1},
    )
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "asked" in local.log("too-long")


def test_what_a_container_leaves_running_does_not_outlive_it(local: Driver) -> None:
    script = "setsid sleep 300 & echo up; while ! [ -e /opt/ml/go ]; do sleep 0.05; done"
    local.start("orphans", script)
    local.until_said("orphans", "up")
    seen = local.overview("orphans")
    assert len(seen["pids"]) >= 2
    Path(seen["directories"][0], "go").touch()
    assert local.until("orphans")["TrainingJobStatus"] == "Completed"
    assert not alive(seen["pids"])
