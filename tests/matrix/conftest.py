"""One set of clients for all worlds, and the environment that template.yaml gives a function."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from proofs.matrix.stage import Connections

settings.register_profile("resilience", deadline=None, derandomize=True, database=None)
settings.load_profile("resilience")


@pytest.fixture(scope="session")
def connections() -> Iterator[Connections]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Resilience")
        patch.setenv("POWERTOOLS_SERVICE_NAME", "resilience")
        yield Connections()
