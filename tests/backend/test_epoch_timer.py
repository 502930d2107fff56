"""The durations of a training's epochs."""

from balancing_vae.backend import epoch_timer
from balancing_vae.backend.epoch_timer import EpochTimer


def test_the_epochs_of_each_training_are_timed(monkeypatch):
    clock = {"now": 0.0}
    monkeypatch.setattr(epoch_timer.time, "perf_counter", lambda: clock["now"])
    timer = EpochTimer()

    class LossUnderWay:
        """A loss which the device has computed two seconds later."""

        def __float__(self):
            clock["now"] += 2
            return 0.0

    # Two trainings: the first step of the first one compiles; the second runs by threes.
    for epochs in ([(0.0, {0: 50.0, 1: 51.0}), (60.0, {0: 61.0, 1: 63.0})], [(0.0, {2: 6, 5: 12})]):
        timer.on_train_begin()
        for begin, ends in epochs:
            clock["now"] = begin
            timer.on_epoch_begin(0)
            for batch, end in ends.items():
                clock["now"] = end
                timer.on_train_batch_end(batch, {"loss": LossUnderWay()})
            clock["now"] += 3
            timer.on_epoch_end(0)
        timer.on_train_end()
    assert timer.steps == [2, 2]
    assert timer.epochs == [[56, 8], [17]]
