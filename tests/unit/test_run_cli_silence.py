"""Times are seconds of a clock that the test holds."""

from resilient_training.run.silence import Silence

HOUR = 3600.0


def test_without_a_limit_no_silence_is_too_long() -> None:
    assert not Silence(None, 0.0, needs_look=False).is_over_limit(1000 * HOUR)


def test_a_silence_is_too_long_from_its_limit_on() -> None:
    silence = Silence(60.0, 100.0, needs_look=False)
    assert not silence.is_over_limit(159.0)
    assert silence.is_over_limit(160.0)


def test_each_sign_of_life_begins_the_silence_anew_and_an_old_one_does_not() -> None:
    silence = Silence(60.0, 0.0, needs_look=False)
    silence.hear(50.0)
    silence.hear(10.0)
    assert not silence.is_over_limit(109.0)
    assert silence.is_over_limit(110.0)


def test_a_new_row_in_wandb_is_a_sign_of_life_and_the_rows_of_earlier_attempts_are_none() -> None:
    silence = Silence(60.0, 0.0, needs_look=True)
    silence.look(30.0, 500)
    assert silence.heard_at == 0.0
    silence.look(45.0, 501)
    silence.look(50.0, 501)
    silence.look(55.0, None)
    assert silence.heard_at == 45.0


def test_while_wandb_is_away_nobody_knows_whether_rows_come() -> None:
    silence = Silence(60.0, 0.0, needs_look=True)
    silence.look(30.0, 7)
    assert not silence.is_over_limit(10 * HOUR)
    silence.look(10 * HOUR, 7)
    assert silence.is_over_limit(10 * HOUR)


def test_rows_that_came_while_wandb_was_away_were_life() -> None:
    silence = Silence(60.0, 0.0, needs_look=True)
    silence.look(30.0, 7)
    silence.look(10 * HOUR, 8)
    assert not silence.is_over_limit(10 * HOUR)


def test_a_long_silence_without_a_limit_is_told_after_an_hour_and_then_ever_less_often() -> None:
    silence = Silence(None, 0.0, needs_look=False)
    minutes = [silence.hint_due(minute * 60.0) for minute in range(300)]
    assert [each for each in minutes if each is not None] == [60, 120, 240]
    silence.hear(400 * 60.0)
    assert silence.hint_due(459 * 60.0) is None
    assert silence.hint_due(460 * 60.0) == 60


def test_with_a_limit_there_is_nothing_to_advise() -> None:
    assert Silence(5 * HOUR, 0.0, needs_look=False).hint_due(4 * HOUR) is None


def heard(*times: float) -> Silence:
    """One of several hosts, with a limit of 100 s, whose command began at 1000 s."""
    silence = Silence(100.0, 0.0, needs_look=False, needs_rhythm=True)
    silence.begin(1000.0)
    for at in times:
        silence.hear(1000.0 + at)
    return silence


def test_a_host_beside_the_one_that_speaks_is_silent_by_nature() -> None:
    assert not heard().is_over_limit(1_000_000.0)
    noise_of_the_start = [second / 10 for second in range(1, 200)]
    assert not heard(*noise_of_the_start).is_over_limit(1_000_000.0)


def test_a_host_that_used_to_speak_has_gone_silent() -> None:
    silence = heard(10.0, 40.0, 60.0)
    assert not silence.is_over_limit(1159.0)
    assert silence.is_over_limit(1160.0)


def test_a_host_that_has_been_silent_for_as_long_before_is_so_by_nature() -> None:
    assert not heard(10.0, 40.0, 60.0, 170.0, 190.0, 220.0).is_over_limit(1_000_000.0)


def test_of_several_hosts_the_silence_before_the_first_sign_of_life_spoils_no_rhythm() -> None:
    silence = Silence(60.0, 0.0, needs_look=False, needs_rhythm=True)
    silence.begin(0.0)
    for at in (500.0, 515.0, 530.0, 545.0):
        silence.hear(at)
    assert not silence.is_over_limit(604.0)
    assert silence.is_over_limit(606.0)
