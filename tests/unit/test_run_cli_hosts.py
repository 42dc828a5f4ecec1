import json
from pathlib import Path

import pytest

from resilient_training.run.command import settle
from resilient_training.run.hosts import Hosts, HostsError, hosts_from
from resilient_training.run.options import UsageError


def base_with(tmp_path: Path, said: object) -> Path:
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)
    text = said if isinstance(said, str) else json.dumps(said)
    (config / "resourceconfig.json").write_text(text)
    return tmp_path


def test_the_hosts_are_those_of_resourceconfig_in_the_order_of_text(tmp_path: Path) -> None:
    names = ["algo-2", "algo-10", "algo-1"]
    base = base_with(tmp_path, {"current_host": "algo-2", "hosts": names, "more": 1})
    hosts = hosts_from(base, {})
    assert hosts == Hosts(("algo-1", "algo-10", "algo-2"), "algo-2")
    assert (hosts.index, hosts.count, hosts.is_first) == (2, 3, False)


def test_outside_sagemaker_there_is_one_host_and_it_is_the_first(tmp_path: Path) -> None:
    hosts = hosts_from(tmp_path, {})
    assert (hosts.index, hosts.count, hosts.is_first) == (0, 1, True)


def test_without_the_file_the_variables_of_sagemakers_toolkits_count(tmp_path: Path) -> None:
    environment = {"SM_HOSTS": '["algo-1", "algo-2"]', "SM_CURRENT_HOST": "algo-1"}
    assert hosts_from(tmp_path, environment) == Hosts(("algo-1", "algo-2"), "algo-1")


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "[]",
        {},
        {"hosts": ["algo-1"]},
        {"hosts": [], "current_host": "algo-1"},
        {"hosts": "algo-1", "current_host": "algo-1"},
        {"hosts": [1], "current_host": "algo-1"},
        {"hosts": ["algo-1"], "current_host": "algo-2"},
        {"hosts": ["algo-1", "algo-1"], "current_host": "algo-1"},
    ],
)
def test_a_file_that_does_not_say_which_hosts_there_are_is_refused_in_one_line(
    tmp_path: Path, said: object
) -> None:
    with pytest.raises(HostsError) as refused:
        hosts_from(base_with(tmp_path, said), {})
    assert "\n" not in str(refused.value)


def test_variables_that_are_no_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HostsError):
        hosts_from(tmp_path, {"SM_HOSTS": "algo-1", "SM_CURRENT_HOST": "algo-1"})


def test_several_hosts_without_a_store_are_refused_before_anything_starts(tmp_path: Path) -> None:
    environment = {"SM_HOSTS": '["algo-1", "algo-2"]', "SM_CURRENT_HOST": "algo-2"}
    words = ["--checkpoints", str(tmp_path), "--", "train"]
    with pytest.raises(UsageError, match="2 hosts need --store"):
        settle(words, [], tmp_path, environment)
    stored = {**environment, "RESILIENCE_STORE": "s3://bucket/team"}
    assert settle(words, [], tmp_path, stored).hosts.index == 1
