"""Two hosts with disks of their own, as two processes, make one checkpoint of the local S3 and W&B.

The real SDKs; the first host and the other one see nothing of each other but the store.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.wandb_server import LocalWandb
from resilient_training.run.board import Board, S3Board
from resilient_training.run.place import place_from
from tests.local.checkpoint_script import Scripts, project_of
from tests.local.stores import BUCKET, LocalS3, content_of, noise, versioned_bucket, written
from tests.unit.board_contract import CONTRACT

FIRST = {".metadata": b"m", "__0_0.distcp": noise(3000, seed=1)}
OTHER = {"__1_0.distcp": noise(4000, seed=2)}

HOSTS = """
import os, time
from resilient_training.run.agreement import Arriving, Calling
from resilient_training.run.board import S3Board
from resilient_training.run.delivery import key_of, new_word
from resilient_training.run.gathering import Waiting, gathered, joined
from resilient_training.run.meeting import FirstHost, OtherHost, held_of
from resilient_training.run.messages import Chosen
from resilient_training.run.several_hosts import FirstDelivery, Part, PartDelivery, keys_of
s3, made = store(), job(RESILIENCE_ROOT="night")
board = S3Board(s3.client, place_from(s3.place.url + key_of(made, "night", "meet")))
names = ["algo-1", "algo-2"]
def until(look):
    while (found := look()) is None:
        time.sleep(0.05)
    return found
def first_host(chosen):
    calling = Calling(board, ("algo-2",), new_word())
    calling.begin(gathered(calling, Waiting(120.0, 0.05)), chosen)
    return FirstHost(board, ("algo-2",), calling.round, keys_of(s3, made, "night"))
def other_host():
    begun = joined(Arriving(board, "algo-2", new_word()), Waiting(120.0, 0.05))
    return begun, OtherHost(board, "algo-2", begun.round)
"""
AS_FIRST = """
with run() as r:
    taken = Taken(pathlib.Path("first"), "step-15", 15, "dcp", {"__1_0.distcp": 4000})
    commits = Commits(r, made)
    first = first_host(None)
    part = Part("algo-1", "night", 2, given["patience"], 0.05)
    delivery = FirstDelivery(commits, s3, first, part)
    try:
        answer(delivery.commit(taken))
        first.tell_kept(15, ["step-15"])
    except Exception as error:
        answer([type(error).__name__, str(error)])
"""
AS_OTHER = """
begun, other = other_host()
asked = until(other.announced)
folder = pathlib.Path("other")
have = held_of(asked, Taken(folder).files)
if given["gives"]:
    PartDelivery(s3, other, made, Part("algo-2", "night")).send(asked, Taken(folder))
    kept = until(other.kept)
    answer([asked.folder, have, kept.step, list(kept.names)])
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[LocalS3]:
    with versioned_bucket() as served:
        yield served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb")) as running:
        yield running


@pytest.fixture
def scripts(
    server: LocalWandb, s3: LocalS3, tmp_path: Path, request: pytest.FixtureRequest
) -> Scripts:
    written(tmp_path / "first", FIRST)
    written(tmp_path / "other", OTHER)
    project = project_of(request.node.name)
    return Scripts(server, s3.environment, tmp_path, project, f"s3://{BUCKET}/{project}")


def played(scripts: Scripts, **given: object) -> tuple[list[Any], list[Any]]:
    with ThreadPoolExecutor(2) as threads:
        hosts = [
            threads.submit(scripts.answers, HOSTS + script, **given)
            for script in (AS_FIRST, AS_OTHER)
        ]
        return hosts[0].result(), hosts[1].result()


@pytest.mark.parametrize("clause", CONTRACT)
def test_the_board_in_the_store_keeps_the_contract(
    clause: Callable[[Board], None], s3: LocalS3
) -> None:
    clause(S3Board(s3.client, place_from(f"s3://{BUCKET}/{clause.__name__}")))


def test_two_hosts_make_one_version_and_both_restore_the_whole_of_it(scripts: Scripts) -> None:
    first, other = played(scripts, patience=120.0, gives=True)
    assert first == ["v0"]
    assert other == [["step-15", ["__1_0.distcp"], 15, ["step-15"]]]
    script = """
    with run() as r:
        pin = job(**pinned("v0")).pin
    for host in ("host-1", "host-2"):
        found = restore_pinned(pin, Pinned(), store(), Destination(pathlib.Path(host)))
        answer([found.version, found.layout])
    """
    assert scripts.answers(script) == [["v0", "dcp"], ["v0", "dcp"]]
    whole = {f"step-15/{name}": content for name, content in (FIRST | OTHER).items()}
    assert content_of(scripts.folder / "host-1") == content_of(scripts.folder / "host-2") == whole


def test_a_host_that_gives_nothing_means_no_version_and_is_named(scripts: Scripts) -> None:
    first, other = played(scripts, patience=1.0, gives=False)
    assert other == []
    ((kind, why),) = first
    assert kind == "NotCommittedError"
    assert why in {
        "a part of step-15 is missing: no answer from algo-2 within 1 s",
        "a part of step-15 is missing: no host has __1_0.distcp within 1 s",
    }
    script = """
    answer(wandb.Api().artifact_collection_exists(f"local/{given['project']}/model-x", "model"))
    """
    assert scripts.answers(script) == [False]


def test_what_one_host_chose_is_what_every_host_begins_with(scripts: Scripts) -> None:
    as_first = 'first_host(Chosen("local/p/model-x:v3", "digest", 15)) and answer("begun")'
    as_other = "chosen = other_host()[0].chosen; answer([chosen.name, chosen.digest, chosen.step])"
    with ThreadPoolExecutor(2) as threads:
        other = threads.submit(scripts.answers, f"{HOSTS}\n{as_other}")
        assert scripts.answers(f"{HOSTS}\n{as_first}") == ["begun"]
        assert other.result() == [["local/p/model-x:v3", "digest", 15]]
