"""Ctrl-C and the workers of `datasets prepare`."""

import signal

from balancing_vae.datasets.parallel import map_ordered
from tests.helpers.processes import python_prints


def holds_ctrl_c_off(_) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_workers_ignore_ctrl_c_from_their_start_on():
    assert list(map_ordered(holds_ctrl_c_off, range(4), workers=2)) == [True] * 4
    assert not holds_ctrl_c_off(None)


# In a process of its own: the signal would end a test's own process where it comes late.
_CTRL_C = """
import json, os, signal
from concurrent.futures import ProcessPoolExecutor
from balancing_vae.datasets.parallel import map_ordered

submit, submitted = ProcessPoolExecutor.submit, []

def submit_late(*arguments):
    os.kill(os.getpid(), signal.SIGINT)
    submitted.append(submit(*arguments))
    return submitted[-1]

ProcessPoolExecutor.submit = submit_late
try:
    list(map_ordered(abs, range(4), workers=2))
    interrupted = False
except KeyboardInterrupt:
    interrupted = True
restored = signal.getsignal(signal.SIGINT) is signal.default_int_handler
print(json.dumps([interrupted, len(submitted), restored]))
"""


def test_ctrl_c_takes_effect_after_a_worker_has_started():
    assert python_prints(_CTRL_C) == [True, 1, True]
