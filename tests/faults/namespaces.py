"""Processes with mounts of their own, which nobody else sees and which end with them (Linux)."""

import os
import subprocess

import pytest

SKIP = "FAULTS_SKIP"


def needs_mounts():
    """Fails the test where mounting is not allowed, unless it shall be skipped: what is not tried must not look as if it was."""
    skipped = os.environ.get(SKIP, "")
    assert skipped in ("", "mounts"), f"{SKIP}={skipped}: expected mounts, or nothing"
    if skipped:
        pytest.skip(f"{SKIP}={skipped}")
    try:
        tried = subprocess.run(["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, text=True)
        problem = tried.stderr.strip() if tried.returncode != 0 else None
    except OSError as error:
        problem = str(error)
    if problem is not None:
        pytest.fail(
            f"this test needs root and the right to mount in a namespace of its own: {problem}\n"
            f"Run it where that is allowed, in Docker with --cap-add SYS_ADMIN --security-opt apparmor=unconfined; "
            f"{SKIP}=mounts skips what needs it.",
            pytrace=False,
        )


def with_mounts(script):
    """A command that runs `script` in such a namespace; it should end in `exec`."""
    return ["unshare", "--mount", "sh", "-ec", script]
