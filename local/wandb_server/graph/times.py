from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """A moment as W&B writes it, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
