"""Artifact types and collections, aliases and memberships."""

from dataclasses import dataclass

from local.wandb_server.store.database import Database
from local.wandb_server.store.records import (
    Alias,
    Artifact,
    ArtifactType,
    Collection,
    Membership,
    Tag,
)

SEQUENCE, PORTFOLIO = "SEQUENCE", "PORTFOLIO"
LATEST = "latest"


def find_type(database: Database, project_id: int, name: str) -> ArtifactType | None:
    return database.one(
        ArtifactType,
        "select * from artifact_types where project_id = ? and name = ?",
        *(project_id, name),
    )


def type_by_id(database: Database, type_id: int) -> ArtifactType:
    return database.sure(ArtifactType, "select * from artifact_types where id = ?", type_id)


def list_types(database: Database, project_id: int) -> list[ArtifactType]:
    return database.all(
        ArtifactType, "select * from artifact_types where project_id = ? order by id", project_id
    )


def make_type(database: Database, project_id: int, name: str, now: float) -> ArtifactType:
    database.write(
        "insert or ignore into artifact_types (project_id, name, created_at) values (?, ?, ?)",
        *(project_id, name, now),
    )
    return database.sure(
        ArtifactType,
        "select * from artifact_types where project_id = ? and name = ?",
        *(project_id, name),
    )


def find_collection(database: Database, project_id: int, name: str) -> Collection | None:
    return database.one(
        Collection,
        "select * from collections where project_id = ? and name = ?",
        *(project_id, name),
    )


def collection_by_id(database: Database, collection_id: int) -> Collection | None:
    return database.one(Collection, "select * from collections where id = ?", collection_id)


def collection_by_client_id(database: Database, client_id: str) -> Collection | None:
    return database.one(Collection, "select * from collections where client_id = ?", client_id)


def list_collections(database: Database, project_id: int) -> list[Collection]:
    return database.all(
        Collection, "select * from collections where project_id = ? order by id desc", project_id
    )


@dataclass(frozen=True)
class NewCollection:
    name: str
    kind: str = SEQUENCE
    client_id: str | None = None


def find_or_make(
    database: Database, of_type: ArtifactType, new: NewCollection, now: float
) -> Collection:
    """The collection of that name, whatever its type; a new one is of type `of_type`."""
    database.write(
        "insert or ignore into collections"
        " (project_id, type_id, kind, name, client_id, created_at, updated_at)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        *(of_type.project_id, of_type.id, new.kind, new.name, new.client_id, now, now),
    )
    return database.sure(
        Collection,
        "select * from collections where project_id = ? and name = ?",
        *(of_type.project_id, new.name),
    )


def change_collection(
    database: Database, collection_id: int, name: str | None, description: str | None, now: float
) -> None:
    database.write(
        "update collections set name = coalesce(?, name), description = coalesce(?, description),"
        " updated_at = ? where id = ?",
        *(name, description, now, collection_id),
    )


def delete_collection(database: Database, collection_id: int) -> None:
    database.write("delete from collections where id = ?", collection_id)


def add_member(
    database: Database, collection_id: int, artifact: Artifact, now: float
) -> Membership:
    """Put a version into a collection; in a portfolio it gets the next number there."""
    existing = find_member(database, collection_id, artifact.id)
    if existing is not None:
        return existing
    index = artifact.version_index
    if collection_id != artifact.sequence_id:
        index = database.number(
            "select max(version_index) + 1 from memberships where collection_id = ?", collection_id
        )
    database.write(
        "insert into memberships (collection_id, artifact_id, version_index, created_at)"
        " values (?, ?, ?, ?)",
        *(collection_id, artifact.id, index, now),
    )
    return database.sure(
        Membership,
        "select * from memberships where collection_id = ? and artifact_id = ?",
        *(collection_id, artifact.id),
    )


def find_member(database: Database, collection_id: int, artifact_id: int) -> Membership | None:
    return database.one(
        Membership,
        "select * from memberships where collection_id = ? and artifact_id = ?",
        *(collection_id, artifact_id),
    )


def members_of(database: Database, collection_id: int) -> list[Membership]:
    """The collection's versions, newest first, those still being uploaded included."""
    return database.all(
        Membership,
        "select * from memberships where collection_id = ? order by version_index desc",
        collection_id,
    )


def memberships_of(database: Database, artifact_id: int) -> list[Membership]:
    return database.all(
        Membership, "select * from memberships where artifact_id = ? order by id", artifact_id
    )


def remove_member(database: Database, collection_id: int, artifact_id: int) -> None:
    for table_sql in (
        "delete from aliases where collection_id = ? and artifact_id = ?",
        "delete from memberships where collection_id = ? and artifact_id = ?",
    ):
        database.write(table_sql, collection_id, artifact_id)


def member_named(database: Database, collection_id: int, alias: str) -> Membership | None:
    """The version that `latest`, another alias, or `vN` names in this collection."""
    found = database.one(
        Membership,
        "select m.* from memberships m join aliases a using (collection_id, artifact_id)"
        " where m.collection_id = ? and a.alias = ?",
        *(collection_id, alias),
    )
    if found is not None or not (alias.startswith("v") and alias[1:].isdecimal()):
        return found
    return database.one(
        Membership,
        "select * from memberships where collection_id = ? and version_index = ?",
        *(collection_id, int(alias[1:])),
    )


def set_alias(database: Database, collection_id: int, artifact_id: int, alias: str) -> None:
    """An alias names one version of a collection; giving it to another moves it."""
    database.write(
        "insert into aliases (collection_id, artifact_id, alias) values (?, ?, ?)"
        " on conflict (collection_id, alias) do update set artifact_id = excluded.artifact_id",
        *(collection_id, artifact_id, alias),
    )


def drop_alias(database: Database, collection_id: int, artifact_id: int, alias: str) -> None:
    database.write(
        "delete from aliases where collection_id = ? and artifact_id = ? and alias = ?",
        *(collection_id, artifact_id, alias),
    )


def aliases_of_collection(database: Database, collection_id: int) -> list[Alias]:
    return database.all(
        Alias, "select * from aliases where collection_id = ? order by id", collection_id
    )


def aliases_of_artifact(database: Database, artifact_id: int) -> list[Alias]:
    return database.all(
        Alias, "select * from aliases where artifact_id = ? order by id", artifact_id
    )


def tags_of_artifact(database: Database, artifact_id: int) -> list[Tag]:
    return database.all(Tag, "select * from tags where artifact_id = ? order by id", artifact_id)


def add_tag(database: Database, artifact_id: int, name: str) -> None:
    database.write(
        "insert or ignore into tags (artifact_id, name) values (?, ?)", artifact_id, name
    )


def drop_tag(database: Database, artifact_id: int, name: str) -> None:
    database.write("delete from tags where artifact_id = ? and name = ?", artifact_id, name)
