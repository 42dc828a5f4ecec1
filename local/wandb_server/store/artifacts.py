"""Artifact versions: PENDING when created, COMMITTED once all their files are here."""

import json
from dataclasses import dataclass, field

from local.wandb_server.store import collections
from local.wandb_server.store.database import Database, Value
from local.wandb_server.store.records import (
    Artifact,
    ArtifactFile,
    Collection,
    Manifest,
)

PENDING, COMMITTED, DELETED = "PENDING", "COMMITTED", "DELETED"


@dataclass(frozen=True)
class NewVersion:
    run_id: int | None
    digest: str
    metadata: str | None = None
    description: str | None = None
    ttl_seconds: int | None = None
    history_step: int | None = None
    client_id: str | None = None
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewManifest:
    name: str
    digest: str
    kind: str


@dataclass(frozen=True)
class Entry:
    """One line of a manifest: a file by its MD5 (hex), or a reference to somewhere else."""

    name: str
    md5: str | None
    size: int
    reference: str | None


@dataclass(frozen=True)
class VersionChange:
    """What an update may set; None leaves a column as it is."""

    metadata: str | None = None
    description: str | None = None
    ttl_seconds: int | None = None
    aliases: tuple[str, ...] | None = None
    tags_to_add: tuple[str, ...] = field(default=())
    tags_to_delete: tuple[str, ...] = field(default=())


def artifact_by_id(database: Database, artifact_id: int) -> Artifact | None:
    return database.one(Artifact, "select * from artifacts where id = ?", artifact_id)


def artifact_by_client_id(database: Database, client_id: str) -> Artifact | None:
    return database.one(Artifact, "select * from artifacts where client_id = ?", client_id)


def in_collection(database: Database, collection_id: int) -> list[Artifact]:
    """The collection's versions, in the order of `collections.members_of`."""
    return database.all(
        Artifact,
        "select a.* from memberships m join artifacts a on a.id = m.artifact_id"
        " where m.collection_id = ? order by m.version_index desc",
        collection_id,
    )


def committed_with_digest(database: Database, sequence_id: int, digest: str) -> Artifact | None:
    return database.one(
        Artifact,
        "select * from artifacts where sequence_id = ? and digest = ? and state = ?"
        " order by version_index desc limit 1",
        *(sequence_id, digest, COMMITTED),
    )


def newest_committed(database: Database, sequence_id: int) -> Artifact | None:
    return database.one(
        Artifact,
        "select * from artifacts where sequence_id = ? and state = ?"
        " order by version_index desc limit 1",
        *(sequence_id, COMMITTED),
    )


def made_by_run(database: Database, run_id: int) -> list[Artifact]:
    return database.all(
        Artifact,
        "select * from artifacts where run_id = ? and state != ? order by id",
        *(run_id, DELETED),
    )


def used_by_run(database: Database, run_id: int) -> list[Artifact]:
    return database.all(
        Artifact,
        "select a.* from artifacts a join artifact_uses u on u.artifact_id = a.id"
        " where u.run_id = ? and a.state != ? order by a.id",
        *(run_id, DELETED),
    )


def runs_using(database: Database, artifact_id: int) -> list[int]:
    rows = database.texts(
        "select run_id from artifact_uses where artifact_id = ? order by run_id", artifact_id
    )
    return [int(row) for row in rows]


def record_use(database: Database, artifact_id: int, run_id: int, used_as: str | None) -> None:
    database.write(
        "insert or ignore into artifact_uses values (?, ?, ?)", artifact_id, run_id, used_as
    )


def create_version(
    database: Database, sequence: Collection, new: NewVersion, now: float
) -> Artifact:
    """Answer the committed version with the same content, or a new PENDING one.

    Numbers are never used twice: deleted versions keep their rows.
    """
    same = committed_with_digest(database, sequence.id, new.digest)
    if same is not None:
        _name_version(database, same, new.aliases)
        return same
    artifact = _insert_version(database, sequence.id, new, now)
    collections.add_member(database, sequence.id, artifact, now)
    for tag in new.tags:
        collections.add_tag(database, artifact.id, tag)
    return artifact


def _insert_version(database: Database, sequence_id: int, new: NewVersion, now: float) -> Artifact:
    index = database.number(
        "select max(version_index) + 1 from artifacts where sequence_id = ?", sequence_id
    )
    artifact_id = database.write(
        "insert into artifacts (sequence_id, run_id, version_index, digest, metadata, description,"
        " ttl_seconds, history_step, client_id, wanted_aliases, created_at, updated_at)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(sequence_id, new.run_id, index, new.digest, new.metadata, new.description),
        *(new.ttl_seconds, new.history_step, new.client_id, json.dumps(new.aliases), now, now),
    )
    return database.sure(Artifact, "select * from artifacts where id = ?", artifact_id)


def _name_version(database: Database, artifact: Artifact, aliases: tuple[str, ...]) -> None:
    for alias in (*aliases, collections.LATEST):
        collections.set_alias(database, artifact.sequence_id, artifact.id, alias)


def commit_version(
    database: Database, artifact: Artifact, entries: list[Entry], now: float
) -> None:
    """All files are here: the version is COMMITTED, and its aliases and `latest` move to it."""
    rows: list[tuple[Value, ...]] = [
        (artifact.id, entry.name, entry.md5, entry.size, entry.reference) for entry in entries
    ]
    database.write_many(
        "insert or replace into artifact_files (artifact_id, name, md5, size, reference)"
        " values (?, ?, ?, ?, ?)",
        rows,
    )
    database.write(
        "update artifacts set state = ?, size = ?, file_count = ?, updated_at = ? where id = ?",
        *(COMMITTED, sum(entry.size for entry in entries), len(entries), now, artifact.id),
    )
    _name_version(database, artifact, tuple(json.loads(artifact.wanted_aliases)))


def change_version(
    database: Database, artifact: Artifact, change: VersionChange, now: float
) -> None:
    database.write(
        "update artifacts set metadata = coalesce(?, metadata),"
        " description = coalesce(?, description), ttl_seconds = coalesce(?, ttl_seconds),"
        " updated_at = ? where id = ?",
        *(change.metadata, change.description, change.ttl_seconds, now, artifact.id),
    )
    for tag in change.tags_to_add:
        collections.add_tag(database, artifact.id, tag)
    for tag in change.tags_to_delete:
        collections.drop_tag(database, artifact.id, tag)
    if change.aliases is not None:
        _replace_aliases(database, artifact, change.aliases)


def _replace_aliases(database: Database, artifact: Artifact, wanted: tuple[str, ...]) -> None:
    for alias in collections.aliases_of_artifact(database, artifact.id):
        if alias.collection_id == artifact.sequence_id and alias.alias not in wanted:
            collections.drop_alias(database, alias.collection_id, artifact.id, alias.alias)
    for name in wanted:
        collections.set_alias(database, artifact.sequence_id, artifact.id, name)


def delete_version(database: Database, artifact: Artifact, now: float) -> None:
    """Take the version out of every collection; `latest` falls back to the newest one left."""
    for member in collections.memberships_of(database, artifact.id):
        collections.remove_member(database, member.collection_id, artifact.id)
    database.write(
        "update artifacts set state = ?, updated_at = ? where id = ?", DELETED, now, artifact.id
    )
    newest = newest_committed(database, artifact.sequence_id)
    if newest and not collections.member_named(database, artifact.sequence_id, collections.LATEST):
        collections.set_alias(database, newest.sequence_id, newest.id, collections.LATEST)


def add_manifest(database: Database, artifact_id: int, new: NewManifest, now: float) -> Manifest:
    manifest_id = database.write(
        "insert into manifests (artifact_id, name, digest, kind, created_at)"
        " values (?, ?, ?, ?, ?)",
        *(artifact_id, new.name, new.digest, new.kind, now),
    )
    return database.sure(Manifest, "select * from manifests where id = ?", manifest_id)


def manifest_by_id(database: Database, manifest_id: int) -> Manifest | None:
    return database.one(Manifest, "select * from manifests where id = ?", manifest_id)


def set_manifest_digest(database: Database, manifest_id: int, digest: str) -> None:
    database.write("update manifests set digest = ? where id = ?", digest, manifest_id)


def manifests_of(database: Database, artifact_id: int) -> list[Manifest]:
    """Newest first: the SDK makes one before the upload and another for it."""
    return database.all(
        Manifest, "select * from manifests where artifact_id = ? order by id desc", artifact_id
    )


def files_of(database: Database, artifact_id: int) -> list[ArtifactFile]:
    return database.all(
        ArtifactFile,
        "select * from artifact_files where artifact_id = ? order by name",
        artifact_id,
    )
