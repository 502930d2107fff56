"""Fixed-step solvers of ordinary differential equations."""

from collections.abc import Callable

import numpy as np

Derivative = Callable[[np.ndarray, float], np.ndarray]


def integrate(
    derivative: Derivative, y: np.ndarray, start: float, end: float, solver: str, steps: int
) -> np.ndarray:
    """Integrate `dy/dt = derivative(y, t)` from one time to another.

    Args:
        derivative: Function of a state and a time; its result has the shape of the state.
        y: The state at the start.
        start: The time at the start.
        end: The time at the end; it may be before `start`.
        solver: One of `SOLVERS`.
        steps: Number of steps, at least 1.

    Returns:
        The state at the end.

    Example:
        ```python
        integrate(lambda y, t: -y, np.ones(1), 0.0, 1.0, "rk4", 10)  # exp(-1)
        ```
    """
    h = (end - start) / steps
    for i in range(steps):
        y = SOLVERS[solver](derivative, y, start + i * h, h)
    return y


def _euler(f: Derivative, y: np.ndarray, t: float, h: float) -> np.ndarray:
    return y + h * f(y, t)


def _midpoint(f: Derivative, y: np.ndarray, t: float, h: float) -> np.ndarray:
    return y + h * f(y + h / 2 * f(y, t), t + h / 2)


def _runge_kutta(f: Derivative, y: np.ndarray, t: float, h: float) -> np.ndarray:
    k1 = f(y, t)
    k2 = f(y + h / 2 * k1, t + h / 2)
    k3 = f(y + h / 2 * k2, t + h / 2)
    k4 = f(y + h * k3, t + h)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


SOLVERS = {"euler": _euler, "midpoint": _midpoint, "rk4": _runge_kutta}
