"""Why a deploy did not happen, in words for the person who asked for it."""


class DeployError(Exception):
    """The stack is not as the template asks; the message says what and, where known, what to do."""
