"""Processes with mounts of their own, which nobody else sees and which end with them (Linux)."""

import subprocess

import pytest


def needs_mounts():
    """Skips the test where mounting is not allowed."""
    tried = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, text=True,
    )
    if tried.returncode != 0:
        pytest.skip(f"needs root and the right to mount in a namespace of its own: {tried.stderr.strip()}")


def with_mounts(script):
    """A command that runs `script` in such a namespace; it should end in `exec`."""
    return ["unshare", "--mount", "sh", "-ec", script]
