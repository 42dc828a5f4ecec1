"""The account of the matrix is held to the behaviour of the other SageMakers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.in_memory import Clock, InMemorySageMaker
from proofs.matrix.account import JOB_ARN
from proofs.matrix.stage import Connections, Stage
from resilience.adapters.sagemaker import SageMakerTrainingJobs
from tests.adapters.local_jobs import JobsInMemory, Service
from tests.adapters.test_training_jobs import (
    test_a_created_job_is_in_progress_and_shows_all_that_it_was_created_with,
    test_a_failed_job_is_continued_with_everything_that_it_had,
    test_a_job_that_is_not_there_is_none,
    test_a_name_is_used_once_and_the_first_job_stays_as_it_is,
    test_a_search_shows_what_the_sweep_decides_by,
    test_failed_jobs_that_are_opted_in_are_found_and_no_others,
    test_its_tags_are_there_from_the_start_over_all_pages,
    test_jobs_are_found_by_their_names_however_many_and_what_is_gone_is_left_out,
    test_of_many_creates_at_once_one_succeeds,
    test_tags_are_added_and_overwritten,
    test_the_request_shape_is_that_of_create_training_job,
    test_the_sweep_finds_waits_with_their_due_times,
    test_the_sweep_finds_what_has_ended_and_opted_in_and_nothing_else,
    test_to_tag_a_job_that_is_gone_does_nothing,
    test_what_botocore_lets_pass_the_service_refuses,
)

__all__ = [
    "test_a_created_job_is_in_progress_and_shows_all_that_it_was_created_with",
    "test_a_failed_job_is_continued_with_everything_that_it_had",
    "test_a_job_that_is_not_there_is_none",
    "test_a_name_is_used_once_and_the_first_job_stays_as_it_is",
    "test_a_search_shows_what_the_sweep_decides_by",
    "test_failed_jobs_that_are_opted_in_are_found_and_no_others",
    "test_its_tags_are_there_from_the_start_over_all_pages",
    "test_jobs_are_found_by_their_names_however_many_and_what_is_gone_is_left_out",
    "test_of_many_creates_at_once_one_succeeds",
    "test_tags_are_added_and_overwritten",
    "test_the_request_shape_is_that_of_create_training_job",
    "test_the_sweep_finds_waits_with_their_due_times",
    "test_the_sweep_finds_what_has_ended_and_opted_in_and_nothing_else",
    "test_to_tag_a_job_that_is_gone_does_nothing",
    "test_what_botocore_lets_pass_the_service_refuses",
]


@dataclass(frozen=True)
class JobsOverTheWire:
    """The adapter and a real client, on the account in memory."""

    stage: Stage
    jobs: SageMakerTrainingJobs
    like: JobsInMemory = field(
        default_factory=lambda: JobsInMemory(InMemorySageMaker(Clock(int(time.time()))))
    )

    def request(self, tags: Mapping[str, str], **more: object) -> dict[str, Any]:
        return self.like.request(tags, **more)

    def failed(self, tags: Mapping[str, str], **more: object) -> str:
        request = self.request(tags, **more)
        self.jobs.create(request)
        name = str(request["TrainingJobName"])
        self.stage.account.begin(name)
        self.stage.account.end(name, "Failed", "Failed", "AlgorithmError: Exit Code: 1")
        return name


@pytest.fixture
def service(connections: Connections) -> Service:
    stage = Stage(connections, clock=Clock(int(time.time())))
    client = connections.clients.aws["sagemaker"]
    return JobsOverTheWire(stage, SageMakerTrainingJobs(client, JOB_ARN))
