"""Callbacks: the user's control of gamma, and logs, states and limits of a training."""

from balancing_vae.training.callbacks.gamma_balancing import GammaBalancing
from balancing_vae.training.callbacks.history_log import HistoryLog
from balancing_vae.training.callbacks.progress import TrainingProgress
from balancing_vae.training.callbacks.stop_on_signal import StopOnSignal
from balancing_vae.training.callbacks.tensorboard_log import TensorBoardLog

__all__ = [
    "GammaBalancing",
    "HistoryLog",
    "StopOnSignal",
    "TensorBoardLog",
    "TrainingProgress",
]
