from local.wandb_server.store.blobs import Received
from local.wandb_server.store.database import Database
from local.wandb_server.store.records import RunFile


def save_run_file(
    database: Database, run_id: int, name: str, received: Received, now: float
) -> None:
    database.write(
        "insert into run_files (run_id, name, size, md5, updated_at) values (?, ?, ?, ?, ?)"
        " on conflict (run_id, name) do update set"
        " size = excluded.size, md5 = excluded.md5, updated_at = excluded.updated_at",
        *(run_id, name, received.size, received.md5, now),
    )


def list_run_files(database: Database, run_id: int) -> list[RunFile]:
    return database.all(RunFile, "select * from run_files where run_id = ? order by name", run_id)


def find_run_file(database: Database, run_id: int, name: str) -> RunFile | None:
    return database.one(
        RunFile, "select * from run_files where run_id = ? and name = ?", run_id, name
    )


def delete_run_file(database: Database, file_id: int) -> None:
    database.write("delete from run_files where id = ?", file_id)
