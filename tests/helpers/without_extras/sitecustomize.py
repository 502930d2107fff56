"""Hides JAX and PyTorch in each process that has this folder on its PYTHONPATH, as `make test` has.

The fast tests must pass where neither is installed, also on a machine that has them.
"""

import sys
from importlib.machinery import PathFinder


class _WithoutExtras(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] in ("jax", "torch"):
            return None
        return super().find_spec(fullname, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = _WithoutExtras
