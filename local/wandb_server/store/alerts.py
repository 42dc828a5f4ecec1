"""What a run has called a person for; nobody is called here, the run's page shows it."""

from dataclasses import dataclass

from local.wandb_server.store.database import Database
from local.wandb_server.store.records import Alert


@dataclass(frozen=True)
class NewAlert:
    severity: str
    title: str
    text: str


def add_alert(database: Database, run_id: int, new: NewAlert, now: float) -> None:
    database.write(
        "insert into alerts (run_id, severity, title, text, created_at) values (?, ?, ?, ?, ?)",
        *(run_id, new.severity, new.title, new.text, now),
    )


def list_alerts(database: Database, run_id: int) -> list[Alert]:
    return database.all(Alert, "select * from alerts where run_id = ? order by id desc", run_id)
