"""Callbacks: the user's handle on gamma, and what a training run shows, keeps and refuses."""

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
