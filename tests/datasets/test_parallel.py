"""Ctrl-C and the workers of `datasets prepare`."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor

import pytest

from balancing_vae.datasets.parallel import map_ordered


def holds_ctrl_c_off(_) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_worker_never_gets_ctrl_c_not_even_while_it_starts():
    assert list(map_ordered(holds_ctrl_c_off, range(4), workers=2)) == [True] * 4
    assert not holds_ctrl_c_off(None)


def test_ctrl_c_while_a_worker_is_started_waits_until_it_is(monkeypatch):
    submit = ProcessPoolExecutor.submit
    submitted = []

    def submit_late(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        submitted.append(submit(*arguments))
        return submitted[-1]

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit_late)
    with pytest.raises(KeyboardInterrupt):
        list(map_ordered(abs, range(4), workers=2))
    assert len(submitted) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
