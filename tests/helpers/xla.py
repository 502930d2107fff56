"""XLA is off in the tests but where it is the point: compiling takes longest on models so small."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from balancing_vae.backend.compilation import jit_compile_pays
from balancing_vae.pipeline import stages
from balancing_vae.samplers import flow_matching


@contextmanager
def without_xla() -> Iterator[None]:
    """Let pipelines be made that XLA does not compile."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (stages, flow_matching):
            patch.setattr(module, "jit_compile_pays", lambda *_, **__: False)
        yield


@contextmanager
def with_xla() -> Iterator[None]:
    """Let pipelines be made that XLA compiles where users' are compiled."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (stages, flow_matching):
            patch.setattr(module, "jit_compile_pays", jit_compile_pays)
        yield
