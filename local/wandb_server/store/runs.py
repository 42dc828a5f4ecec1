"""Runs: their rows and their state.

A run is running until its client says otherwise. When the client falls silent the run has crashed;
that is worked out when the run is read, so nothing has to watch the clock.
"""

from dataclasses import dataclass

from local.wandb_server.store.database import Database, Value
from local.wandb_server.store.records import Run

RUNNING, FINISHED, FAILED, CRASHED = "running", "finished", "failed", "crashed"
KILLED = "killed"
PREEMPTING, PREEMPTED = "preempting", "preempted"


@dataclass(frozen=True)
class RunChange:
    """What an UpsertBucket may set; None leaves a column as it is."""

    display_name: str | None = None
    state: str | None = None
    config: str | None = None
    summary: str | None = None
    tags: str | None = None
    notes: str | None = None
    description: str | None = None
    group_name: str | None = None
    job_type: str | None = None
    host: str | None = None
    program: str | None = None
    commit_hash: str | None = None
    sweep: str | None = None


def find_run(database: Database, project_id: int, name: str) -> Run | None:
    return database.one(
        Run, "select * from runs where project_id = ? and name = ?", project_id, name
    )


def run_by_id(database: Database, run_id: int) -> Run | None:
    return database.one(Run, "select * from runs where id = ?", run_id)


def list_runs(database: Database, project_id: int) -> list[Run]:
    return database.all(Run, "select * from runs where project_id = ? order by id desc", project_id)


def insert_run(database: Database, project_id: int, name: str, now: float) -> Run:
    run_id = database.write(
        "insert into runs (project_id, name, display_name, created_at, updated_at, heartbeat_at)"
        " values (?, ?, ?, ?, ?, ?)",
        *(project_id, name, name, now, now, now),
    )
    return database.sure(Run, "select * from runs where id = ?", run_id)


def change_run(database: Database, run_id: int, change: RunChange, now: float) -> None:
    values: tuple[Value, ...] = tuple(vars(change).values())
    database.write(
        "update runs set display_name = coalesce(?, display_name), state = coalesce(?, state),"
        " config = coalesce(?, config), summary = coalesce(?, summary), tags = coalesce(?, tags),"
        " notes = coalesce(?, notes), description = coalesce(?, description),"
        " group_name = coalesce(?, group_name), job_type = coalesce(?, job_type),"
        " host = coalesce(?, host), program = coalesce(?, program),"
        " commit_hash = coalesce(?, commit_hash), sweep = coalesce(?, sweep),"
        " updated_at = ? where id = ?",
        *values,
        now,
        run_id,
    )


def reopen_run(database: Database, run_id: int, now: float) -> None:
    """A client has taken the run up (again): it runs, and an earlier end is forgotten."""
    database.write(
        "update runs set state = ?, exit_code = null, stop_requested = 0, preempting = 0,"
        " heartbeat_at = ? where id = ?",
        *(RUNNING, now, run_id),
    )


def heartbeat(database: Database, run_id: int, now: float, *, preempting: bool = False) -> None:
    database.write(
        "update runs set heartbeat_at = ?, preempting = max(preempting, ?) where id = ?",
        *(now, int(preempting), run_id),
    )


def end_run(database: Database, run: Run, exit_code: int, now: float) -> None:
    """Exit code 0 is finished; any other is failed, or why it was to be expected."""
    failed = KILLED if run.stop_requested else PREEMPTED if run.preempting else FAILED
    database.write(
        "update runs set state = ?, exit_code = ?, heartbeat_at = ?, updated_at = ? where id = ?",
        *(FINISHED if exit_code == 0 else failed, exit_code, now, now, run.id),
    )


def request_stop(database: Database, run_id: int) -> None:
    """Ask the run's process to end; of a run that has ended nothing is asked."""
    database.write(
        "update runs set stop_requested = 1 where id = ? and state = ?", *(run_id, RUNNING)
    )


def delete_run(database: Database, run_id: int) -> None:
    database.write("delete from runs where id = ?", run_id)


def state_of(run: Run, now: float, silent_after: float) -> str:
    """The state a reader sees: a running run that is silent for `silent_after` seconds crashed."""
    if run.state != RUNNING:
        return run.state
    if now - run.heartbeat_at > silent_after:
        return PREEMPTED if run.preempting else CRASHED
    return PREEMPTING if run.preempting else RUNNING
