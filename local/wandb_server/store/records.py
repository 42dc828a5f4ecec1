from dataclasses import dataclass


@dataclass(frozen=True)
class Project:
    id: int
    entity: str
    name: str
    created_at: float


@dataclass(frozen=True)
class Run:
    id: int
    project_id: int
    name: str
    display_name: str | None
    state: str
    config: str
    summary: str
    tags: str
    notes: str | None
    description: str | None
    group_name: str | None
    job_type: str | None
    host: str | None
    program: str | None
    commit_hash: str | None
    sweep: str | None
    exit_code: int | None
    stop_requested: int
    preempting: int
    created_at: float
    updated_at: float
    heartbeat_at: float


@dataclass(frozen=True)
class Line:
    number: int
    content: str


@dataclass(frozen=True)
class Alert:
    id: int
    run_id: int
    severity: str
    title: str
    text: str
    created_at: float


@dataclass(frozen=True)
class RunFile:
    id: int
    run_id: int
    name: str
    size: int
    md5: str
    updated_at: float


@dataclass(frozen=True)
class ArtifactType:
    id: int
    project_id: int
    name: str
    created_at: float


@dataclass(frozen=True)
class Collection:
    """A sequence (versions made here) or a portfolio (versions linked from elsewhere)."""

    id: int
    project_id: int
    type_id: int
    kind: str
    name: str
    description: str | None
    client_id: str | None
    created_at: float
    updated_at: float


@dataclass(frozen=True)
class Artifact:
    id: int
    sequence_id: int
    run_id: int | None
    version_index: int
    state: str
    digest: str
    metadata: str | None
    description: str | None
    ttl_seconds: int | None
    history_step: int | None
    client_id: str | None
    wanted_aliases: str
    size: int
    file_count: int
    created_at: float
    updated_at: float


@dataclass(frozen=True)
class Membership:
    id: int
    collection_id: int
    artifact_id: int
    version_index: int
    created_at: float


@dataclass(frozen=True)
class Alias:
    id: int
    collection_id: int
    artifact_id: int
    alias: str


@dataclass(frozen=True)
class Manifest:
    id: int
    artifact_id: int
    name: str
    digest: str
    kind: str
    created_at: float


@dataclass(frozen=True)
class ArtifactFile:
    """One entry of a committed manifest; `md5` is hex, and absent for a reference."""

    id: int
    artifact_id: int
    name: str
    md5: str | None
    size: int
    reference: str | None


@dataclass(frozen=True)
class Tag:
    id: int
    artifact_id: int
    name: str
