"""Lines that frameworks print, and the losses in them."""

import pytest

from resilient_training.run.check.losses import Loss, has_places, loss_in, main_source, series


def losses(*lines: str) -> list[Loss]:
    found = (loss_in(line) for line in lines)
    return [loss for loss in found if loss is not None]


@pytest.mark.parametrize(
    ("line", "text", "epoch", "step"),
    [
        ("{'loss': 2.303, 'grad_norm': 1.5, 'epoch': 0.33}", "2.303", 0.33, None),
        ("{'loss': '4.284', 'grad_norm': '9.8', 'epoch': '2.5'}", "4.284", 2.5, None),
        ('{"step": 7, "loss": 0.25}', "0.25", None, 7),
        ("step 12: loss=1.25", "1.25", None, 12),
        ("Step: 1,200 | Loss: 6.5e-01", "6.5e-01", None, 1200),
        ("loss 0.5", "0.5", None, None),
        ("Loss 6.9 (7.1)", "6.9", None, None),
        ("train/loss: 3.25", "3.25", None, None),
        (
            " iteration        3/     100 | lm loss: 6.509875E+00 | loss scale: 1.0 |",
            "6.509875e+00",
            None,
            3,
        ),
        ("Epoch 3:  45%|##  | 450/1000 [12:34<15:22,  1.68s/it, loss=2.31]", "2.31", 3, 450),
        ("12/100 ━━━━ 0s 3ms/step - accuracy: 0.5 - loss: 0.6931", "0.6931", None, 12),
        ("Epoch: [4][ 10/5005] Time 0.5 Loss 4.25e+00 (4.5e+00)", "4.25e+00", 4, 10),
        ("\x1b[31mstep:  8  \x1b[32mloss:  8.1234\x1b[0m", "8.1234", None, 8),
        ("[rank0]: step 3 loss nan", "nan", None, 3),
        ("global_step=5 train_loss_step=0.125", "0.125", None, 5),
    ],
)
def test_a_loss_and_where_it_stands_are_found_as_frameworks_print_them(
    line: str, text: str, epoch: float | None, step: int | None
) -> None:
    (loss,) = losses(line)
    assert (loss.text, loss.epoch, loss.step) == (text, epoch, step)


@pytest.mark.parametrize(
    "line",
    [
        "{'eval_loss': 2.3, 'epoch': 1.0}",
        "val loss: 0.5",
        "Validation loss: 0.5",
        "test/loss=0.4",
        "best loss: 0.3",
        "loss scale: 65536",
        "no loss of data in 3 files",
        "weight=lossless 3",
        "loss of 3 GB",
    ],
)
def test_what_is_no_loss_of_the_training_is_none(line: str) -> None:
    assert loss_in(line) is None


def test_the_loss_of_the_training_is_taken_where_a_line_has_that_of_a_validation_first() -> None:
    (loss,) = losses("step 3 val_loss=0.5 loss=0.75")
    assert loss.text == "0.75"


def test_a_number_without_its_unit_is_no_step() -> None:
    (loss,) = losses("batch size 8, step time 0.5, loss 1.5")
    assert loss.place is None


def test_the_series_is_that_which_has_most_and_what_a_bar_repeats_counts_once() -> None:
    found = losses(
        "3/9 [00:01, loss=1.5]", "3/9 [00:01, loss=1.5]", "4/9 [00:02, loss=1.25]", "train_loss 9"
    )
    source = main_source(found)
    assert [loss.text for loss in series(found, source)] == ["1.5", "1.25"]
    assert main_source([]) is None


def test_digits_are_those_that_say_something() -> None:
    assert [loss.digits for loss in losses("loss 1.250", "loss 0.0012", "loss 6.5E+00")] == [
        4,
        2,
        2,
    ]


def test_steps_that_begin_anew_in_each_epoch_are_no_places_unless_the_epoch_is_printed() -> None:
    anew = [f"step {step} loss {step}.5" for step in (0, 1, 2, 3, 0, 1)]
    assert not has_places(losses(*anew))
    named = [f"epoch {place // 4} step {place % 4} loss 1.5" for place in range(6)]
    assert has_places(losses(*named))


def test_processes_that_print_at_once_do_not_look_like_a_new_beginning() -> None:
    assert has_places(losses(*(f"step {step} loss 1.5" for step in (0, 0, 1, 2, 1, 2, 3))))


def test_an_epoch_that_stands_in_many_lines_is_no_place() -> None:
    assert not has_places(losses(*(f"epoch 1 loss {count}.5" for count in range(6))))


def test_a_long_line_is_read_in_no_time() -> None:
    assert loss_in("a-" * 100_000 + "loss") is None
    assert loss_in("loss" * 100_000) is None
