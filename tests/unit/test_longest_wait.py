"""What template.yaml says of BackoffMaxSeconds holds for each kind of wait."""

from hypothesis import given
from hypothesis import strategies as st

from resilience.decide.attempts import measure
from resilience.decide.backoff import wait_a_while, wait_for
from resilience.decide.decisions import Facts, Lineage, Reason
from resilience.failures import FailureClass
from tests.unit.strategies import CLASSES, FACTS, LINEAGES


@given(FACTS, LINEAGES, CLASSES, st.integers(1, 10_000))
def test_no_single_wait_is_longer_than_the_policys_longest(
    facts: Facts, lineage: Lineage, failure_class: FailureClass, seconds: int
) -> None:
    case = measure(facts, lineage, failure_class)
    for decision in (
        wait_for(case, Reason.FAILING_AGAIN, "some_rule"),
        wait_a_while(case, Reason.FAILING_AGAIN, "some_rule", seconds),
    ):
        assert decision.due is not None
        assert 1 <= decision.due - facts.observed_at <= max(1, facts.policy.backoff_max_seconds)
