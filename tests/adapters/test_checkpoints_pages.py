"""Which versions the adapter finds, wherever they are among those of a busy project."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from resilience.adapters.graphql import Bounds
from resilience.decide.decisions import Lookup, Upload
from resilience.ports import Answer
from tests.adapters.answering import Reply, reply_json
from tests.adapters.wandb_versions import (
    REQUEST,
    Asked,
    Node,
    in_collection,
    knowing,
    serving,
    version,
)

UNAVAILABLE = Answer(Lookup.UNAVAILABLE)
TWO_RUNS = replace(REQUEST, runs=("night", "night-1", "night-1-algo-1"))


@pytest.fixture(scope="module")
def wandb() -> Iterator[Asked]:
    with serving(Bounds(pause_seconds=0)) as asked:
        yield asked


def numbers(answer: Answer) -> list[int]:
    assert answer.lookup is Lookup.FOUND
    return [one.number for one in answer.checkpoints]


def table(number: int) -> dict[str, object]:
    """What a run logs beside its checkpoints, here under the same number."""
    return version(number, artifactSequence=in_collection("run-night-table"), metadata="{}") | {
        "artifactType": {"name": "run_table"}
    }


@pytest.mark.parametrize("foreign", [100, 1000])
def test_foreign_versions_later_and_at_higher_steps_hide_no_version_of_the_run(
    foreign: int, wandb: Asked
) -> None:
    theirs = [version(number, run="stranger") for number in range(foreign + 2, 2, -1)]
    answer = wandb.found(*theirs, version(2, "latest"), version(1))
    assert (numbers(answer), answer.foreign) == ([2, 1], 100)
    assert len(wandb.server.asked) == 1


def test_the_runs_that_are_named_count_and_no_other(wandb: Asked) -> None:
    there = [
        version(4, run="night-1-algo-1"),
        version(3, run="night-2"),
        version(2, run="night-1"),
        version(1, run="night"),
    ]
    assert numbers(wandb.found(*there, request=TWO_RUNS)) == [4, 2, 1]
    assert len(wandb.server.asked) == 1
    assert wandb.found(*there, request=replace(REQUEST, runs=())) == Answer(Lookup.FOUND, foreign=4)


def test_a_hundred_and_more_versions_without_latest_are_an_answer(wandb: Asked) -> None:
    answer = wandb.found(*(version(number) for number in range(130, 0, -1)))
    assert numbers(answer) == list(range(130, 30, -1))
    assert len(wandb.server.asked) == 1


@pytest.mark.parametrize("tables", [100, 250, 1000])
def test_a_page_without_a_checkpoint_is_read_on(tables: int, wandb: Asked) -> None:
    logged = [table(number) for number in range(tables, 0, -1)]
    assert numbers(wandb.found(*logged, version(7))) == [7]


@pytest.mark.parametrize("alias", ["suspect", "suspect-v7"])
def test_a_page_of_versions_that_are_excluded_is_read_on(alias: str, wandb: Asked) -> None:
    excluded = [version(number, alias) for number in range(300, 200, -1)]
    assert numbers(wandb.found(*excluded, version(7)))[-1] == 7


WRAPPED = replace(REQUEST, runs=("night", "night-checkpoints"))


def checkpoint(number: int, *aliases: str, run: str = "night-checkpoints") -> Node:
    return version(number, *aliases, run=run)


@pytest.mark.parametrize("tables", [100, 2000])
def test_the_tables_of_a_run_whose_checkpoints_another_run_logs_are_not_read_to_their_end(
    tables: int, wandb: Asked
) -> None:
    logged = [table(number) for number in range(tables, 0, -1)]
    there = [checkpoint(8), checkpoint(7)]
    assert numbers(wandb.found(*there, *logged, request=WRAPPED)) == [8, 7]
    assert len(wandb.server.asked) == 1


@pytest.mark.parametrize(
    "there",
    [
        [version(9), checkpoint(8)],  # listed as the run's own, and not on its first page
        [checkpoint(8, "suspect"), version(7)],
        [version(7)],
        [*(checkpoint(number, "suspect") for number in range(210, 100, -1)), version(7)],
    ],
)
def test_they_are_read_on_where_the_collection_does_not_show_that_older_pages_cannot_matter(
    there: list[Node], wandb: Asked
) -> None:
    logged = [table(number) for number in range(150, 0, -1)]
    answer = wandb.found(*logged, *there, request=WRAPPED)
    assert numbers(answer) == [one["versionIndex"] for one in there]
    assert len(wandb.server.asked) > 1


def test_a_collection_that_is_listed_the_oldest_first_shows_nothing_of_what_is_newer(
    wandb: Asked,
) -> None:
    """It lists its oldest hundred, all of the one run; the other's newer version is on page two."""
    logged = [*(checkpoint(number) for number in range(100)), *map(table, range(150)), version(200)]
    assert numbers(wandb.found(*logged, request=WRAPPED))[0] == 200


def test_where_reading_on_has_no_end_there_are_not_none(wandb: Asked) -> None:
    logged = [table(number) for number in range(2000, 0, -1)]
    assert wandb.found(*logged, version(7)) == UNAVAILABLE
    assert len(wandb.server.asked) == 16


def test_a_cursor_that_leads_nowhere_is_followed_so_far_and_no_further(wandb: Asked) -> None:
    def lost(body: bytes) -> Reply:
        told = json.loads(knowing([])(body).body)
        nowhere = {"endCursor": None, "hasNextPage": True}
        told["data"]["project"]["run0"] = {"outputArtifacts": {"pageInfo": nowhere, "edges": []}}
        return reply_json(200, told)

    assert wandb.newest(lost) == UNAVAILABLE
    assert len(wandb.server.asked) == 16


@pytest.mark.parametrize("versions", [99, 101, 450])
def test_a_server_that_lists_the_oldest_first_hides_no_newer_version(
    versions: int, wandb: Asked
) -> None:
    answer = wandb.found(*(version(number) for number in range(versions)))
    assert numbers(answer) == list(range(versions - 1, -1, -1))


def test_a_server_that_lists_more_than_can_be_read_the_oldest_first_is_no_answer(
    wandb: Asked,
) -> None:
    assert wandb.found(*(version(number) for number in range(2000))) == UNAVAILABLE


@pytest.mark.parametrize("failure", [Reply(400), Reply(500), reply_json(200, {"errors": [{}]})])
def test_a_server_that_does_not_know_the_order_is_asked_without_and_read_to_the_end(
    failure: Reply, wandb: Asked
) -> None:
    oldest_first = [version(number) for number in range(250)]

    def without_order(body: bytes) -> Reply:
        ordered = json.loads(body)["variables"]["order"] is not None
        return failure if ordered else knowing(oldest_first)(body)

    assert len(numbers(wandb.newest(without_order))) == 250
    assert len(wandb.server.asked) == 1 + 3


def test_a_hiccup_in_the_middle_changes_no_order(wandb: Asked) -> None:
    logged = [*map(table, range(150, 0, -1)), version(7)]
    there = knowing(logged)
    assert numbers(wandb.newest(there, Reply(503), there)) == [7]
    assert {sent["order"] for sent in wandb.sent()} == {"-created_at"}


@pytest.mark.parametrize("alias", ["best", "v3"])
def test_a_wanted_alias_is_found_wherever_it_is_in_one_request(alias: str, wandb: Asked) -> None:
    newer = [version(number) for number in range(500, 3, -1)]
    answer = wandb.found(*newer, version(3, "best"), request=replace(REQUEST, alias=alias))
    assert numbers(answer)[-1] == 3
    assert len(wandb.server.asked) == 1


def test_a_wanted_alias_of_a_foreign_version_is_not_ours(wandb: Asked) -> None:
    there = [version(9, "best", run="stranger"), version(3)]
    assert numbers(wandb.found(*there, request=replace(REQUEST, alias="best"))) == [3]


def test_aliases_that_a_registry_gave_are_not_the_collections(wandb: Asked) -> None:
    registry = {
        "name": "model-night",
        "project": {"name": "registry", "entityName": "example-team"},
    }
    aliases = [
        {"alias": "latest"},
        {"alias": "suspect", "artifactCollection": registry},
        {"alias": "best", "artifactCollection": in_collection("model-of-all")},
        {"alias": "best", "artifactCollection": None},
    ]
    (checkpoint,) = wandb.found(version(3, aliases=aliases)).checkpoints
    assert checkpoint.aliases == ("latest",)


def elsewhere(**more: object) -> Node:
    return version(1, artifactSequence=in_collection("model-other")) | more


@pytest.mark.parametrize(
    ("there", "named"),
    [
        (elsewhere(), ("model-other",)),
        (elsewhere(metadata=None), ("model-other",)),
        (elsewhere(artifactType={"name": "checkpoint"}), ("model-other",)),
        (elsewhere(artifactType={"name": "dataset"}, metadata='{"rows": 7}'), ()),
        (elsewhere(state="PENDING"), ()),
        (elsewhere(state="DELETED"), ()),
        (elsewhere(metadata='{"initial_model": true}'), ()),
        (elsewhere(createdBy={"name": "stranger"}), ()),
        (elsewhere(versionIndex=None), ("model-other",)),
    ],
)
def test_checkpoints_of_the_run_in_other_collections_are_named(
    there: Node, named: tuple[str, ...], wandb: Asked
) -> None:
    assert wandb.found(there).elsewhere == named
    assert wandb.newest(knowing([there])).checkpoints == ()


@pytest.mark.parametrize("listed_by_the_run", [True, False])
def test_uploads_that_have_not_ended_are_counted_once_whoever_lists_them(
    wandb: Asked, *, listed_by_the_run: bool
) -> None:
    pending = [version(number, state="PENDING") for number in (9, 8)]
    theirs = version(7, state="PENDING", run="stranger")

    def of_either_kind(body: bytes) -> Reply:
        told = json.loads(knowing([*pending, theirs, version(3)])(body).body)
        if not listed_by_the_run:
            edges = told["data"]["project"]["run0"]["outputArtifacts"]["edges"]
            edges[:] = [edge for edge in edges if edge["node"]["state"] == "COMMITTED"]
        return reply_json(200, told)

    answer = wandb.newest(of_either_kind)
    assert (numbers(answer), answer.foreign) == ([3], 0)
    assert answer.pending == (Upload(9), Upload(8))


def test_an_upload_names_its_job_and_may_have_no_number_yet(wandb: Asked) -> None:
    metadata = json.dumps({"training_job": "night-1-r2"})
    named = version(9, state="PENDING", metadata=metadata)
    nameless = version(8, state="PENDING", versionIndex=None)
    answer = wandb.found(named, nameless)
    assert (answer.lookup, answer.checkpoints) == (Lookup.FOUND, ())
    assert set(answer.pending) == {Upload(9, "night-1-r2"), Upload(None)}


def test_a_version_that_is_deleted_is_none(wandb: Asked) -> None:
    assert wandb.found(version(3, state="DELETED", versionIndex=None)) == Answer(Lookup.FOUND)
