"""Texts of real launchers: torch 2.13 under torchrun, unless a test says otherwise."""

import json

import pytest

from resilient_training.run.root_cause import Cause, cause_of, ended_with, said_in

RESET = (
    "[rank0]: Traceback (most recent call last):",
    '[rank0]:   File "/opt/ml/code/train.py", line 41, in <module>',
    "[rank0]:     dist.all_reduce(loss)",
    (
        "[rank0]: RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553]"
        " Read error [10.0.1.7]:48702: Connection reset by peer"
    ),
)
TABLE = (
    (
        "E1127 07:00:00.000000 14 torch/distributed/elastic/multiprocessing/api.py:1031] failed"
        " (exitcode: {code}) local_rank: 1 (pid: 77) of binary: /opt/conda/bin/python3.11"
    ),
    "Traceback (most recent call last):",
    '  File "/opt/conda/bin/torchrun", line 6, in <module>',
    "    sys.exit(main())",
    "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
    "============================================================",
    "train.py FAILED",
    "------------------------------------------------------------",
    "Root Cause (first observed failure):",
    "[0]:",
    "  time      : 2026-11-27_07:00:00",
    "  host      : algo-2",
    "  rank      : 1 (local_rank: 1)",
    "  exitcode  : {code} (pid: 77)",
    "  error_file: <N/A>",
    "  traceback : {traceback}",
    "============================================================",
)


def table(code: int, traceback: str = "To enable traceback see: …") -> list[str]:
    return [line.format(code=code, traceback=traceback) for line in TABLE]


def error_file(text: object) -> str:
    return json.dumps({"message": {"message": text, "extraInfo": {"timestamp": "1"}}})


def cause(*lines: str, file: str | None = None, code: int = 1) -> Cause:
    return cause_of(file, lines, code)


def test_the_error_file_counts_above_what_was_written() -> None:
    found = cause("[rank0]: TypeError: later", file=error_file("ValueError: bad batch"))
    assert found == Cause("ValueError: bad batch")


@pytest.mark.parametrize(
    "lie", ["", "{", "[]", "null", '{"message": 3}', '{"message": {"message": ["x"]}}', '"x"']
)
def test_an_error_file_that_holds_no_message_is_none(lie: str) -> None:
    assert said_in(lie) is None
    assert cause("KeyError: 'lr'", file=lie) == Cause("KeyError: 'lr'")


def test_an_error_file_of_old_torch_holds_the_message_itself() -> None:
    assert said_in('{"message": "ValueError: x"}') == "ValueError: x"


def test_the_own_error_counts_above_the_complaints_of_the_others() -> None:
    own = (
        "[rank1]: Traceback (most recent call last):",
        '[rank1]:   File "/opt/ml/code/train.py", line 30, in <module>',
        "[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    )
    found = cause(*own, *RESET, *table(1))
    assert found.text.startswith("torch.OutOfMemoryError: CUDA out of memory.")
    assert not found.of_peer


def test_tracebacks_of_several_ranks_that_are_mixed_each_keep_their_error() -> None:
    lines = (
        "[rank0]: Traceback (most recent call last):",
        "[rank1]: Traceback (most recent call last):",
        '[rank0]:   File "a.py", line 1, in f',
        '[rank1]:   File "a.py", line 2, in g',
        "[rank1]: RuntimeError: Rendezvous is not mine, but RendezvousTimeoutError came",
        "[rank0]: Worsened: by our own exception without a usual name",
    )
    assert cause(*lines) == Cause("Worsened: by our own exception without a usual name")


def test_a_worker_that_the_kernel_killed_is_the_cause_and_not_who_missed_it() -> None:
    killed = table(-9, "Signal 9 (SIGKILL) received by PID 77")
    found = cause(*RESET, *killed)
    assert found == Cause("a process of the command was killed by SIGKILL: often out of memory")


def test_a_process_that_torchrun_or_nccl_ended_itself_is_no_cause() -> None:
    for number, name in ((15, "SIGTERM"), (6, "SIGABRT")):
        found = cause(*RESET, *table(-number, f"Signal {number} ({name}) received by PID 77"))
        assert found.of_peer


@pytest.mark.parametrize(
    "line",
    [
        (
            "[rank0]: RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553]"
            " Connection closed by peer [127.0.0.1]:50874"
        ),
        (
            "[rank3]: RuntimeError:"
            " [/pytorch/third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:81]"
            " Timed out waiting 1800000ms for recv operation to complete"
        ),
        (
            "torch.distributed.elastic.rendezvous.api.RendezvousConnectionError: The connection to"
            " the C10d store has failed. See inner exception for details."
        ),
        "torch.distributed.DistNetworkError: failed to recv, got 0 bytes",
        (
            "[rank1]: torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:3356,"
            " remote process exited or there was a network error, NCCL version 2.27.3"
        ),
    ],
)
def test_what_only_complains_about_a_peer_is_of_a_peer(line: str) -> None:
    found = cause("[rank0]: Traceback (most recent call last):", line, *table(1))
    assert found.of_peer
    assert found.text in line


def test_the_watchdog_of_nccl_is_no_exception_and_is_found_all_the_same() -> None:
    said = (
        "[rank1]:[E1002 16:04:30.860963433 ProcessGroupNCCL.cpp:685] [Rank 1] Watchdog caught"
        " collective operation timeout: WorkNCCL(SeqNum=11, OpType=ALLREDUCE) ran for 600010 ms"
    )
    found = cause(said, *table(-6, "Signal 6 (SIGABRT) received by PID 77"))
    assert found == Cause(said, of_peer=True)


def test_a_connection_that_a_data_source_reset_is_the_commands_own_error() -> None:
    line = "requests.exceptions.ConnectionError: ('Connection aborted.', ConnectionResetError(104,"
    line += " 'Connection reset by peer'))"
    assert cause("Traceback (most recent call last):", line) == Cause(line)


def test_an_error_file_that_names_a_peer_gives_way_to_the_own_error() -> None:
    file = error_file("RendezvousConnectionError: The connection to the C10d store has failed.")
    assert cause("[rank0]: ValueError: mine", file=file) == Cause("ValueError: mine")
    assert cause(*table(1), file=file).of_peer


def test_a_signal_that_torchrun_was_ended_by_is_no_cause_of_its_own() -> None:
    line = "torch.distributed.elastic.multiprocessing.api.SignalException: Process 1 got signal: 15"
    assert cause("Traceback (most recent call last):", line) == Cause(
        "exit code 1, and no error text"
    )


def test_a_leader_that_was_killed_lost_no_peer_whatever_it_warned_of_at_its_start() -> None:
    warned = "[W socket.cpp:558] [c10d] The client socket has failed to connect to [localhost]:1"
    assert cause(warned, code=-11) == Cause(
        "exit code -11: killed by SIGSEGV: a crash in native code"
    )


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (-9, "exit code -9: killed by SIGKILL: often out of memory"),
        (137, "exit code 137: killed by SIGKILL: often out of memory"),
        (-15, "exit code -15: killed by SIGTERM"),
        (3, "exit code 3, and no error text"),
        (255, "exit code 255, and no error text"),
    ],
)
def test_without_a_word_the_exit_code_speaks(code: int, text: str) -> None:
    assert ended_with(code) == text
    assert cause("step 3 loss 0.1", code=code) == Cause(text)


def test_lines_that_look_like_errors_within_a_traceback_are_code() -> None:
    lines = (
        "Traceback (most recent call last):",
        '  File "train.py", line 3, in <module>',
        "    raise ValueError: not python",
        "KeyboardInterrupt",
    )
    assert cause(*lines) == Cause("KeyboardInterrupt")
