from pathlib import Path

import pytest

from resilient_training.run.hosts import Hosts
from resilient_training.run.options import Options, UsageError, options_from
from resilient_training.run.processes import Machine, ProcessesError, ranks_here, world_size
from resilient_training.run.resume_arguments import ResumeArgumentsError, check, words_for

LAYOUTS = ("huggingface", "dcp")
MACHINE = Machine(gpus=8, cpus=32)


def parsed(text: str, store: str | None = None) -> Options:
    return options_from(text.split(), LAYOUTS, store)


def test_what_follows_the_two_dashes_is_the_command_whatever_it_looks_like() -> None:
    options = parsed("--checkpoints /out -- torchrun --checkpoints x -- --dry-run")
    assert options.command == ("torchrun", "--checkpoints", "x", "--", "--dry-run")
    assert options.checkpoints == Path("/out")
    assert not options.dry_run


def test_all_that_is_not_given_is_left_to_what_is_found_out() -> None:
    assert parsed("--checkpoints /out -- train") == Options(Path("/out"), ("train",))


def test_everything_can_be_given() -> None:
    given = "--checkpoints /out --layout dcp --store s3://bucket/a/b/ --processes 16 --keep 3"
    assert parsed(f"{given} --stalled-after 22.5 --dry-run -- train") == Options(
        Path("/out"),
        ("train",),
        layout="dcp",
        store="s3://bucket/a/b",
        processes=16,
        stalled_after=22.5,
        keep=3,
        dry_run=True,
    )


def test_the_folder_is_where_the_commands_own_option_puts_its_output() -> None:
    assert parsed("-- torchrun train.py --output_dir=/out").checkpoints == Path("/out")
    assert parsed("-- megatron --save /out --load /out").checkpoints == Path("/out")


def test_a_relative_folder_is_one_of_the_current_directory() -> None:
    assert parsed("--checkpoints out -- train").checkpoints == Path.cwd() / "out"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no command"),
        ("--checkpoints /out", "no command"),
        ("--checkpoints /out --", "no command"),
        ("-- train", "--checkpoints DIR is missing"),
        ("-- train --output_dir /a --save /b", "--checkpoints DIR is missing"),
        ("--checkpoint /out -- train", "unrecognized arguments"),
        ("--layout nosuch --checkpoints /out -- train", "invalid choice: 'nosuch'"),
        ("--store bucket --checkpoints /out -- train", "is not s3://bucket/prefix"),
        ("--store s3://bucket --checkpoints /out -- train", "is not s3://bucket/prefix"),
        ("--processes 0 --checkpoints /out -- train", "0 is not 1, 2, 3"),
        ("--keep -1 --checkpoints /out -- train", "-1 is not 1, 2, 3"),
        ("--stalled-after 0 --checkpoints /out -- train", "0 is no number of minutes"),
        ("--stalled-after nan --checkpoints /out -- train", "nan is no number of minutes"),
        ("--resume-args --x={file} --checkpoints /out -- train", "{file} is unknown"),
        ("train.py --checkpoints /out", "unrecognized arguments: train.py"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parsed(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [["--resume-args", "--auto"], ["--resume-args=--auto"], ["--resume-args", "--a {folder}"]],
)
def test_resume_arguments_may_begin_with_dashes_as_options_do(given: list[str]) -> None:
    options = options_from(["--checkpoints", "/out", *given, "--", "train"], LAYOUTS, None)
    assert options.resume_arguments in {"--auto", "--a {folder}"}


def test_resume_arguments_that_are_missing_are_said_to_be_missing() -> None:
    with pytest.raises(UsageError, match="--resume-args: expected one argument"):
        parsed("--checkpoints /out --resume-args -- train")


def test_help_names_each_option_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parsed("--help")
    assert left.value.code == 0
    shown = capsys.readouterr().out
    names = "checkpoints layout store resume-args processes stalled-after keep dry-run"
    assert all(f"--{name}" in shown for name in names.split())
    assert all(code in shown for code in ("143", "66", "65", "2", "1"))


def test_the_store_of_the_launch_counts_and_one_below_it_may_be_given() -> None:
    launched = "s3://bucket/team/"
    assert parsed("--checkpoints /o -- t", launched).store == "s3://bucket/team"
    below = parsed("--checkpoints /o --store s3://bucket/team/mine -- t", launched)
    assert below.store == "s3://bucket/team/mine"


def test_a_store_of_the_launch_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="RESILIENCE_STORE is not"):
        parsed("--checkpoints /o -- t", "bucket/team")


@pytest.mark.parametrize("elsewhere", ["s3://bucket/team2", "s3://other/team", "s3://bucket/tea"])
def test_a_store_that_the_controller_would_pass_over_is_refused(elsewhere: str) -> None:
    with pytest.raises(UsageError, match="RESILIENCE_STORE"):
        parsed(f"--checkpoints /o --store {elsewhere} -- t", "s3://bucket/team")


def test_resume_arguments_name_the_folder_and_stay_words_whatever_is_in_its_path() -> None:
    folder = Path("/my out/checkpoint-15")
    assert words_for("--resume_from_checkpoint {folder} --x 'a b' --p={parent}", folder) == [
        "--resume_from_checkpoint",
        "/my out/checkpoint-15",
        "--x",
        "a b",
        "--p=/my out",
    ]
    assert words_for("", folder) == []


@pytest.mark.parametrize("template", ["{file}", "{}", "--x 'open", "{folder!r}"])
def test_resume_arguments_that_would_fail_hours_later_are_refused_at_once(template: str) -> None:
    with pytest.raises(ResumeArgumentsError):
        check(template)


@pytest.mark.parametrize(
    ("command", "hosts", "size"),
    [
        ("python train.py", 1, 1),
        ("python train.py --nproc_per_node=4", 1, 1),
        ("torchrun --nproc_per_node=4 train.py", 1, 4),
        ("torchrun --nproc-per-node 4 train.py --nproc-per-node 9", 2, 8),
        ("/opt/conda/bin/torchrun --nnodes=2 --nproc_per_node=4 train.py", 2, 8),
        ("torchrun --nnodes 2 --nproc_per_node=4 train.py", 1, 8),
        ("torchrun --nnodes=1:4 --nproc_per_node=4 train.py", 3, 12),
        ("torchrun train.py", 2, 2),
        ("torchrun --nproc_per_node=gpu -m package", 2, 16),
        ("torchrun --nproc_per_node=auto train.py", 1, 8),
        ("torchrun --nproc_per_node=cpu train.py", 1, 32),
        ("python -u -m torch.distributed.run --nproc_per_node=2 train.py", 1, 2),
        ("nice -n 5 torchrun --nproc_per_node=2 train.py", 1, 2),
        ("python -m package --nproc_per_node=2", 1, 1),
    ],
)
def test_the_world_is_what_torchrun_is_told_times_the_hosts(
    command: str, hosts: int, size: int
) -> None:
    assert world_size(command.split(), hosts, MACHINE, {}) == size


def test_torchruns_own_variables_count_where_its_options_do_not_say() -> None:
    environment = {"PET_NPROC_PER_NODE": "4", "PET_NNODES": "2"}
    assert world_size(["torchrun", "train.py"], 1, MACHINE, environment) == 8
    told = ["torchrun", "--nproc_per_node=2", "train.py"]
    assert world_size(told, 1, MACHINE, environment) == 4


@pytest.mark.parametrize(
    "command",
    [
        "torchrun --nproc_per_node=gpu train.py",
        "torchrun --nproc_per_node=many train.py",
        "torchrun --nproc_per_node=0 train.py",
        "accelerate launch train.py",
        "deepspeed train.py",
        "mpirun -np 4 python train.py",
        "bash train.sh",
    ],
)
def test_processes_that_nobody_can_count_are_asked_for(command: str) -> None:
    with pytest.raises(ProcessesError, match="--processes N"):
        world_size(command.split(), 1, Machine(gpus=0, cpus=4), {})


def test_auto_without_a_gpu_is_a_process_for_each_cpu() -> None:
    command = ["torchrun", "--nproc_per_node=auto", "train.py"]
    assert world_size(command, 1, Machine(gpus=0, cpus=4), {}) == 4


def test_the_ranks_of_a_host_follow_the_order_of_the_hosts() -> None:
    names = ("algo-1", "algo-10", "algo-2")
    assert ranks_here(12, Hosts(names, "algo-10")) == range(4, 8)
    assert ranks_here(4, Hosts(("algo-1",), "algo-1")) is None
    assert ranks_here(4, Hosts(names, "algo-1")) is None
