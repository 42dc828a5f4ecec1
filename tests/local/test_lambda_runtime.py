"""Functions run as AWS runs them: what they see, how they end, what they leave."""

import concurrent.futures
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.served_aws import ServedAws, served_aws
from tests.local.small_functions import (
    eventually,
    function,
    invoke,
    package,
)

WITNESS = Path(__file__).parent / "event_path_stack" / "functions" / "witness.py"
PROCESS = "import os\ndef handler(event, context): return os.getpid()"


@pytest.fixture(scope="module")
def aws() -> Iterator[ServedAws]:
    with served_aws() as served:
        yield served


def test_a_function_sees_what_lambda_gives_and_nothing_of_the_host(aws: ServedAws) -> None:
    code = "import os\ndef handler(event, context): return dict(os.environ)"
    function(aws, "sees", code, Environment={"Variables": {"OWN": "value"}}, MemorySize=256)
    seen = invoke(aws, "sees").payload
    assert seen["OWN"] == "value"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "sees"
    assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert seen["AWS_REGION"] == "eu-west-1"
    assert seen["AWS_ENDPOINT_URL"] == aws.endpoint
    assert seen["_HANDLER"] == "module.handler"
    assert not {"HOST_SECRET", "HOME", "USER", "VIRTUAL_ENV", "GATEWAY_PORT", "AUTH"} & set(seen)


def test_a_package_missing_in_the_zip_is_an_import_error(aws: ServedAws) -> None:
    function(aws, "unpacked", "import boto3\ndef handler(event, context): pass")
    answer = invoke(aws, "unpacked")
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.ImportModuleError"
    assert answer.payload["errorMessage"] == (
        "Unable to import module 'module': No module named 'boto3'"
    )


def test_a_layer_gives_what_the_zip_has_not(aws: ServedAws) -> None:
    layer = aws.client("lambda").publish_layer_version(
        LayerName="shared", Content={"ZipFile": package("VALUE = 7", "python/shared.py")}
    )
    code = "import shared\ndef handler(event, context): return shared.VALUE"
    function(aws, "layered", code, Layers=[layer["LayerVersionArn"]])
    assert invoke(aws, "layered").payload == 7


def test_a_raised_exception_has_type_message_and_trace(aws: ServedAws) -> None:
    function(aws, "raises", "def handler(event, context):\n    raise ValueError('not this')")
    answer = invoke(aws, "raises")
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "ValueError"
    assert answer.payload["errorMessage"] == "not this"
    assert "raise ValueError('not this')" in answer.payload["stackTrace"][0]
    assert "[ERROR] ValueError: not this" in answer.log


def test_a_process_that_raised_is_used_again(aws: ServedAws) -> None:
    code = """
        import os
        def handler(event, context):
            if event.get("fail"):
                raise RuntimeError(str(os.getpid()))
            return str(os.getpid())
    """
    function(aws, "raises-once", code)
    failed = invoke(aws, "raises-once", {"fail": True})
    assert invoke(aws, "raises-once").payload == failed.payload["errorMessage"]


def test_a_function_beyond_its_timeout_is_killed_and_starts_anew(aws: ServedAws) -> None:
    code = """
        import os, time
        def handler(event, context):
            print(os.getpid())
            time.sleep(event.get("seconds", 0))
            return os.getpid()
    """
    function(aws, "slow", code, Timeout=1)
    first = invoke(aws, "slow").payload
    answer = invoke(aws, "slow", {"seconds": 30})
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Sandbox.Timedout"
    assert answer.payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert f"\n{first}\n" in answer.log, "what it printed before is in the log"
    assert not Path(f"/proc/{first}").exists()
    assert invoke(aws, "slow").payload != first


def test_a_process_that_exits_is_an_exit_error(aws: ServedAws) -> None:
    function(aws, "exits", "import os\ndef handler(event, context): os._exit(3)")
    payload = invoke(aws, "exits").payload
    assert payload["errorType"] == "Runtime.ExitError"
    assert payload["errorMessage"].endswith("Runtime exited with error: exit status 3")


def test_an_error_while_a_module_loads_is_told_on_every_invocation(aws: ServedAws) -> None:
    function(aws, "breaks", "raise KeyError('SETTING')\ndef handler(event, context): pass")
    for _ in range(2):
        answer = invoke(aws, "breaks")
        assert answer.error == "Unhandled"
        assert answer.payload["errorType"] == "KeyError"


def test_a_missing_handler_is_told_by_name(aws: ServedAws) -> None:
    function(aws, "handless", "", Handler="module.absent")
    assert invoke(aws, "handless").payload["errorType"] == "Runtime.HandlerNotFound"


def test_an_answer_beyond_six_megabytes_is_refused(aws: ServedAws) -> None:
    function(aws, "large", "def handler(event, context): return 'x' * 7_000_000")
    assert invoke(aws, "large").payload["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_warm_process_is_reused(aws: ServedAws) -> None:
    function(aws, "warm", PROCESS)
    first = invoke(aws, "warm")
    second = invoke(aws, "warm")
    assert first.payload == second.payload
    assert "Init Duration" in first.log
    assert "Init Duration" not in second.log


def test_concurrent_invocations_have_a_process_each(aws: ServedAws) -> None:
    code = """
        import os, time
        from pathlib import Path
        def handler(event, context):
            meeting = Path(event["meeting"])
            (meeting / str(os.getpid())).touch()
            while len(list(meeting.iterdir())) < 3:
                time.sleep(0.01)
            return os.getpid()
    """
    function(aws, "meets", code, Timeout=20)
    meeting = invoke_in(aws)
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(invoke, aws, "meets", {"meeting": meeting}) for _ in range(3)]
    assert len({answer.result().payload for answer in asked}) == 3


def invoke_in(aws: ServedAws) -> str:
    """A directory that the function's processes can reach: their own temporary one."""
    code = "import tempfile\ndef handler(event, context): return tempfile.mkdtemp()"
    function(aws, "makes-directory", code)
    return str(invoke(aws, "makes-directory").payload)


def test_new_code_and_new_settings_start_a_new_process(aws: ServedAws) -> None:
    client = aws.client("lambda")
    function(aws, "changes", PROCESS)
    first = invoke(aws, "changes").payload
    client.update_function_configuration(
        FunctionName="changes", Environment={"Variables": {"A": "1"}}
    )
    second = invoke(aws, "changes").payload
    client.update_function_code(
        FunctionName="changes", ZipFile=package("def handler(event, context): return 'new'")
    )
    assert first != second
    assert invoke(aws, "changes").payload == "new"
    eventually(lambda: not Path(f"/proc/{second}").exists())


def test_the_context_tells_request_time_and_function(aws: ServedAws) -> None:
    code = """
        def handler(event, context):
            return [context.aws_request_id, context.get_remaining_time_in_millis(),
                    context.invoked_function_arn, context.function_name]
    """
    arn = function(aws, "context", code, Timeout=5)
    answer = invoke(aws, "context")
    request, remaining, invoked, name = answer.payload
    assert f"START RequestId: {request}" in answer.log
    assert 0 < remaining <= 5000
    assert (invoked, name) == (arn, "context")


def test_no_function_outlives_a_killed_server() -> None:
    with served_aws() as served:
        function(served, "survivor", PROCESS)
        process = invoke(served, "survivor").payload
        assert Path(f"/proc/{process}").exists()
        os.kill(served.process.pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{process}").exists())
