"""What `balancing_vae.fid` offers, and what importing it leaves alone."""

import importlib
import subprocess
import sys

from balancing_vae import fid


def test_every_name_is_there():
    for name in fid.__all__:
        assert getattr(fid, name).__doc__
        # A module of that name would hide it once it is imported.
        assert importlib.util.find_spec(f"balancing_vae.fid.{name}") is None
    assert set(fid.__all__) <= set(dir(fid))


def test_distances_and_pixels_need_no_backend():
    code = (
        "import sys; from balancing_vae import fid; [getattr(fid, name) for name in fid.__all__]; "
        "print({'keras', 'tensorflow', 'jax', 'torch', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
