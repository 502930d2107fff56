"""Callbacks: the user's handle on gamma, and what a training run shows, keeps and refuses."""

from balancing_vae.callbacks.gamma_balancing import GammaBalancing
from balancing_vae.callbacks.history_log import HistoryLog
from balancing_vae.callbacks.progress import TrainingProgress
from balancing_vae.callbacks.stop_on_non_finite_loss import StopOnNonFiniteLoss
from balancing_vae.callbacks.stop_on_signal import StopOnSignal
from balancing_vae.callbacks.tensorboard_log import TensorBoardLog

__all__ = [
    "GammaBalancing",
    "HistoryLog",
    "StopOnNonFiniteLoss",
    "StopOnSignal",
    "TensorBoardLog",
    "TrainingProgress",
]
