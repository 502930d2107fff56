"""How long a training's last epoch takes."""

from balancing_vae.experiments import epoch_timer
from balancing_vae.experiments.epoch_timer import EpochTimer


def test_the_last_epoch_of_each_training_is_timed(monkeypatch):
    clock = {"now": 0.0}
    monkeypatch.setattr(epoch_timer.time, "perf_counter", lambda: clock["now"])
    timer = EpochTimer()
    # Two trainings: the first step of the first one compiles; the second runs by threes.
    for epochs in ([(0.0, {0: 50.0, 1: 51.0}), (60.0, {0: 61.0, 1: 63.0})], [(0.0, {2: 6, 5: 12})]):
        for begin, ends in epochs:
            clock["now"] = begin
            timer.on_epoch_begin(0)
            for batch, end in ends.items():
                clock["now"] = end
                timer.on_train_batch_end(batch)
        clock["now"] += 5
        timer.on_train_end()
    assert timer.steps == [2, 2]
    assert timer.epochs == [8, 17]
