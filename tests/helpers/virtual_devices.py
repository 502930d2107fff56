"""Virtual devices of JAX on a CPU."""

import os


def make_jax_devices(count: int) -> None:
    """Give JAX some virtual CPU devices; this must precede its first computation.

    Their programs wait for each other on the threads of one pool. By default, the pool has as many
    threads as the machine has cores. With two of them on a busy machine, one program in six
    waited until XLA aborted it. XLA reads the number of threads from NPROC.
    """
    import jax

    os.environ.setdefault("NPROC", "8")
    jax.config.update("jax_num_cpu_devices", count)
