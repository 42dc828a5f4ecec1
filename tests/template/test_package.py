"""What ships in the Lambda zip: everything that the functions need, and little else."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.template.stack import ROOT, stack

PACKAGING = ROOT / "packaging"
TEN_MEGABYTES = 10_000_000
UNCHECKED_HASH = (1).to_bytes(4, "little")
FUNCTION_ARN = "arn:aws:lambda:eu-west-1:111122223333:function:"


def built(into: Path) -> Path:
    """One build by the command that `make build` and `sam build` use; the path of its zip."""
    archive = into / "functions.zip"
    command = [sys.executable, str(PACKAGING / "build.py")]
    command += ["--into", str(into / "functions"), "--zip", str(archive)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def names(archive: Path) -> frozenset[str]:
    with zipfile.ZipFile(archive) as opened:
        return frozenset(opened.namelist())


@pytest.fixture(scope="module")
def task_root(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip unpacked, as Lambda does under /var/task."""
    unpacked = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(unpacked)
    return unpacked


def on_lambda(task_root: Path, script: str, **environment: str) -> str:
    """Run Python that sees what the zip holds, and no library of this machine."""
    path = f"import sys; sys.path[:0] = [{str(task_root)!r}]\n"
    command = [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", path + script]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert not ran.returncode, ran.stderr
    return ran.stdout


def shipped_services() -> set[str]:
    lines = (PACKAGING / "services.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def clients_of_the_code() -> Iterator[object]:
    """The service that each client in functions/ is for; a name that is no literal is None."""
    for file in (ROOT / "functions").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and _makes_a_client(node.func):
                first = node.args[0]
                yield first.value if isinstance(first, ast.Constant) else None


def _makes_a_client(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"client", "create_client", "resource"}


def locked() -> dict[str, str]:
    lock = (PACKAGING / "requirements.lock").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}$", lock, re.MULTILINE))


def test_the_models_that_ship_are_those_of_the_clients_that_the_code_makes() -> None:
    assert set(clients_of_the_code()) == shipped_services()


def test_the_zip_is_small(archive: Path) -> None:
    assert archive.stat().st_size < TEN_MEGABYTES


def test_the_same_input_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    assert built(tmp_path).read_bytes() == archive.read_bytes()


def test_only_the_models_in_use_ship(names: frozenset[str]) -> None:
    data = {name.split("/")[2] for name in names if name.startswith("botocore/data/")}
    assert {entry for entry in data if not entry.endswith(".json")} == shipped_services()
    assert {"endpoints.json", "partitions.json", "_retry.json"} <= data


def test_our_code_ships_whole_and_nothing_beside_it(names: frozenset[str]) -> None:
    ours = {path.relative_to(ROOT / "functions") for path in (ROOT / "functions").rglob("*.py")}
    assert {path.as_posix() for path in ours} <= names
    tops = {name.split("/")[0] for name in names if name.endswith(".py")}
    libraries = {"aws_lambda_powertools", "boto3", "botocore", "dateutil", "jmespath"}
    libraries |= {"s3transfer", "six.py", "typing_extensions.py", "urllib3"}
    assert tops == libraries | {path.parts[0] for path in ours}


def test_no_machine_code_ships_for_there_is_one_zip_for_both_processors(
    names: frozenset[str],
) -> None:
    assert not [name for name in names if name.endswith((".so", ".pyd", ".dylib"))]


def test_no_tests_scripts_or_credentials_ship(names: frozenset[str]) -> None:
    unwanted = re.compile(r"(^|/)(tests?|bin|examples)/|\.env$|\.pem$|Makefile$")
    assert [name for name in names if unwanted.search(name)] == ["botocore/cacert.pem"]


def test_each_library_ships_with_its_licence_and_its_version(names: frozenset[str]) -> None:
    for library, version in locked().items():
        folder = f"{library.replace('-', '_')}-{version}.dist-info/"
        beside = [name.removeprefix(folder) for name in names if name.startswith(folder)]
        assert "METADATA" in beside, library
        assert any("LICENSE" in name.upper() for name in beside), library


def test_every_module_ships_compiled_and_python_does_not_check_it_again(task_root: Path) -> None:
    tag = sys.implementation.cache_tag
    for module in task_root.rglob("*.py"):
        compiled = module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc"
        assert compiled.read_bytes()[4:8] == UNCHECKED_HASH, module


def test_bytecode_does_not_tell_where_it_was_built(archive: Path, task_root: Path) -> None:
    place = str(archive.parent).encode()
    assert not [pyc for pyc in task_root.rglob("*.pyc") if place in pyc.read_bytes()]


def test_every_direct_requirement_is_in_the_lock_at_its_version() -> None:
    asked = (ROOT / "requirements.txt").read_text()
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", asked, re.MULTILINE))
    assert pins
    assert pins.items() <= locked().items()


@pytest.mark.parametrize("function", ["on_training_ended", "sweep"])
def test_a_function_starts_from_the_zip_alone_and_makes_all_its_clients(
    function: str, task_root: Path
) -> None:
    resource = {"on_training_ended": "OnTrainingEnded", "sweep": "Sweep"}[function]
    given = stack().properties(resource)["Environment"]["Variables"]
    environment = {name: str(value) for name, value in given.items()}
    credentials = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    start = {"on_training_ended": "start()", "sweep": f"start_sweep('{FUNCTION_ARN}f')"}[function]
    script = f"import boto3, {function} as f; f.wiring.{start}; print(boto3.__file__)"
    loaded = on_lambda(task_root, script, **environment, **credentials)
    assert Path(loaded.strip()).is_relative_to(task_root)


def test_a_missing_setting_ends_the_start_with_its_name(task_root: Path) -> None:
    script = "try: import on_training_ended\n"
    script += "except Exception as error: print(type(error).__name__, error)"
    told = on_lambda(task_root, script, AWS_LAMBDA_INITIALIZATION_TYPE="on-demand")
    assert told.startswith("SettingsMissing WANDB_BASE_URL is not set")


def test_a_service_that_was_trimmed_away_is_called_unknown(task_root: Path) -> None:
    script = "import boto3\ntry: boto3.client('ec2', region_name='eu-west-1')\n"
    script += "except Exception as error: print(type(error).__name__)"
    assert on_lambda(task_root, script).strip() == "UnknownServiceError"


def test_the_builder_refuses_to_empty_the_project() -> None:
    command = [sys.executable, str(PACKAGING / "build.py"), "--into", str(ROOT)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: ")
    assert "Traceback" not in ran.stderr
