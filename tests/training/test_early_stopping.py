from textune.training.early_stopping import EarlyStopping


def run(values, patience, min_delta=0.0):
    """Returns the best epoch and the epoch after which it stopped, None if it never did."""
    stopping = EarlyStopping(patience, min_delta)
    for epoch, value in enumerate(values, start=1):
        stopping.update(value)
        if stopping.exhausted:
            return stopping.best_epoch, epoch
    return stopping.best_epoch, None


def test_it_stops_once_patience_is_used_up():
    assert run([1, 2, 2, 1, 3], patience=2) == (2, 4)


def test_it_waits_anew_after_each_gain():
    assert run([1, 0, 2, 1, 3, 2], patience=2) == (5, None)


def test_without_patience_it_never_stops():
    assert run([5, 4, 3, 2, 1], patience=None) == (1, None)


def test_the_first_of_equals_is_best():
    assert run([1, 3, 3], patience=None) == (2, None)


def test_small_gains_are_kept_but_do_not_renew_patience():
    assert run([0.50, 0.51, 0.52, 0.9], patience=2, min_delta=0.1) == (3, 3)


def test_small_gains_that_add_up_renew_patience():
    assert run([0.50, 0.56, 0.62, 0.68], patience=2, min_delta=0.1) == (4, None)
