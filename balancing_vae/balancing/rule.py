"""The gamma rule: how the weight of the reconstruction error is computed."""


def update_running_mse(running_mse, batch_mse, rate: float = 0.01):
    """Return the running mean squared error after one more batch.

        m <- min(m, (1 - rate) m + rate * batch_mse),    gamma = sqrt(m)

    `m` starts at 1 and never rises; the step that gave `batch_mse` still used the old
    gamma. With gamma as the decoder's standard deviation, the reconstruction error is divided
    by a running average of itself, which keeps it in the same proportion to the KL divergence
    while training makes it smaller. Only `+ - * / abs` are used, so numbers, arrays and tensors
    of any framework work, also inside a compiled step.

    Source: Asperti and Trentin 2020 (arXiv 2002.07514) and the original program.

    Args:
        running_mse: The current value of `m`, positive; 1 at the start.
        batch_mse: Mean squared error of this batch, over every element. In a
            framework with gradients, detach it first.
        rate: Weight of the newest batch, in [0, 1]; 0 freezes `m`.

    Returns:
        The new value of `m`, of the type of the inputs.

    Example:
        ```python
        m = 1.0                                    # gamma = 1
        m = update_running_mse(m, 0.10)            # 0.99 * 1.0   + 0.01 * 0.10 = 0.991
        m = update_running_mse(m, 0.05)            # 0.99 * 0.991 + 0.01 * 0.05 = 0.98159
        m = update_running_mse(m, 2.00)            # would rise: stays 0.98159
        gamma = m**0.5                             # 0.990752...
        ```
    """
    excess = running_mse - batch_mse
    # (a + |a|) / 2 is max(a, 0) in any framework.
    return running_mse - rate * (excess + abs(excess)) / 2
