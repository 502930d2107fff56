"""What the tests of this room share."""

import hashlib

import pytest

from balancing_vae.fid import inception_files
from fid import stand_ins


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep the user's cache, and what it may hold, out of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)


@pytest.fixture
def accepted(monkeypatch):
    """Let the stand-in pass for the real graph."""
    sha256 = hashlib.sha256(stand_ins.graph()).hexdigest()
    monkeypatch.setattr(inception_files, "GRAPH_SHA256", sha256)
