"""Balancing strategies: how reconstruction error is weighed against KL divergence."""

from balancing_vae.balancing.beta import FixedBeta
from balancing_vae.balancing.capacity import Capacity
from balancing_vae.balancing.computed import ComputedGamma
from balancing_vae.balancing.cyclical import CyclicalBeta
from balancing_vae.balancing.fixed import FixedGamma
from balancing_vae.balancing.geco import GECO
from balancing_vae.balancing.learned import LearnedGamma
from balancing_vae.balancing.optimal import OptimalGamma
from balancing_vae.balancing.rule import update_running_mse
from balancing_vae.balancing.scheduled import ScheduledBeta
from balancing_vae.balancing.strategy import BalancingStrategy
from balancing_vae.balancing.warm_up import WarmUpBeta
from balancing_vae.registry import Registry

__all__ = [
    "GECO",
    "STRATEGIES",
    "BalancingStrategy",
    "Capacity",
    "ComputedGamma",
    "CyclicalBeta",
    "FixedBeta",
    "FixedGamma",
    "LearnedGamma",
    "OptimalGamma",
    "ScheduledBeta",
    "WarmUpBeta",
    "build_strategy",
    "update_running_mse",
]

STRATEGIES = Registry[type[BalancingStrategy]](
    "balancing",
    {
        "beta": FixedBeta,
        "capacity": Capacity,
        "computed": ComputedGamma,
        "cyclical": CyclicalBeta,
        "fixed": FixedGamma,
        "geco": GECO,
        "learned": LearnedGamma,
        "optimal": OptimalGamma,
        "warm_up": WarmUpBeta,
    },
    BalancingStrategy,
)


def build_strategy(name: str, **arguments) -> BalancingStrategy:
    """Build a balancing strategy by its name.

    Args:
        name: "computed", "optimal", "learned", "fixed", "geco", "beta", "warm_up", "cyclical"
            or "capacity".
        **arguments: Arguments of the strategy's class, such as `gamma=0.1` for "fixed".

    Returns:
        A new strategy.

    Raises:
        ValueError: The name is not registered, or the strategy does not take an argument.

    Example:
        ```python
        strategy = build_strategy("fixed", gamma=0.1)
        ```
    """
    return STRATEGIES.make(name, arguments, name=name)


def check_strategy(name: str, **arguments) -> None:
    """Raise if a strategy's name, or an argument's name or type, is invalid.

    Args:
        name: As in `build_strategy`.
        **arguments: As in `build_strategy`.

    Raises:
        ValueError: The name is not registered, or the strategy does not take an argument.
    """
    STRATEGIES.check(name, arguments, given=("name",))
