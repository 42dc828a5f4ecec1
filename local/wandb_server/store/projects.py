from local.wandb_server.store.database import Database
from local.wandb_server.store.records import Project


def find_project(database: Database, entity: str, name: str) -> Project | None:
    return database.one(
        Project, "select * from projects where entity = ? and name = ?", entity, name
    )


def project_by_id(database: Database, project_id: int) -> Project:
    return database.sure(Project, "select * from projects where id = ?", project_id)


def list_projects(database: Database, entity: str) -> list[Project]:
    return database.all(Project, "select * from projects where entity = ? order by id desc", entity)


def make_project(database: Database, entity: str, name: str, now: float) -> Project:
    """Find the project or make it, as W&B does on the first run in it."""
    database.write(
        "insert or ignore into projects (entity, name, created_at) values (?, ?, ?)",
        entity,
        name,
        now,
    )
    return database.sure(
        Project, "select * from projects where entity = ? and name = ?", entity, name
    )
