"""Makes the way of an event right where MiniStack is wrong, by patches in its process.

Private names of ministack 1.5.33, which is pinned; each patch says what it mends and why.
"""

from local.aws import lambda_runtime


def install() -> None:
    """Mend this process's MiniStack; call once, before it serves."""
    lambda_runtime.install()
