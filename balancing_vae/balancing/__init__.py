"""Balancing strategies: how reconstruction error is weighed against KL divergence."""

from balancing_vae.balancing.beta import FixedBeta
from balancing_vae.balancing.computed import ComputedGamma
from balancing_vae.balancing.fixed import FixedGamma
from balancing_vae.balancing.learned import LearnedGamma
from balancing_vae.balancing.rule import update_running_mse
from balancing_vae.balancing.strategy import BalancingStrategy
from balancing_vae.balancing.warm_up import WarmUpBeta
from balancing_vae.registry import Registry

__all__ = [
    "STRATEGIES",
    "BalancingStrategy",
    "ComputedGamma",
    "FixedBeta",
    "FixedGamma",
    "LearnedGamma",
    "WarmUpBeta",
    "build_strategy",
    "update_running_mse",
]

STRATEGIES = Registry[type[BalancingStrategy]](
    "balancing",
    {
        "beta": FixedBeta,
        "computed": ComputedGamma,
        "fixed": FixedGamma,
        "learned": LearnedGamma,
        "warm_up": WarmUpBeta,
    },
    BalancingStrategy,
)


def build_strategy(name: str, **arguments) -> BalancingStrategy:
    """Build a balancing strategy by its name.

    Args:
        name: "computed", "learned", "fixed", "beta" or "warm_up".
        **arguments: What the strategy's class takes, such as `gamma=0.1` for "fixed".

    Returns:
        A new strategy.

    Raises:
        ValueError: There is no such strategy, or it takes no such argument.

    Example:
        ```python
        strategy = build_strategy("fixed", gamma=0.1)
        ```
    """
    return STRATEGIES.make(name, arguments, name=name)


def check_strategy(name: str, **arguments) -> None:
    """Refuse what `build_strategy` would refuse for its name, or an argument's name or type.

    Args:
        name: As in `build_strategy`.
        **arguments: As in `build_strategy`.

    Raises:
        ValueError: There is no such strategy, or it takes no such argument.
    """
    STRATEGIES.check(name, arguments, given=("name",))
