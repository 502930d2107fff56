"""Switch XLA off, except in tests of XLA: for models this small, compiling takes longest."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from balancing_vae.backend.compilation import jit_compile_pays
from balancing_vae.pipeline import stages
from balancing_vae.samplers import flow_matching


@contextmanager
def without_xla() -> Iterator[None]:
    """Build pipelines without XLA in this context."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (stages, flow_matching):
            patch.setattr(module, "jit_compile_pays", lambda *_, **__: False)
        yield


@contextmanager
def with_xla() -> Iterator[None]:
    """Build pipelines in this context with XLA wherever users' pipelines have it."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (stages, flow_matching):
            patch.setattr(module, "jit_compile_pays", jit_compile_pays)
        yield
