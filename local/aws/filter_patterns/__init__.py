"""Filter patterns of CloudWatch Logs, which MiniStack matches to everything where they are JSON.

After AWS's "Filter pattern syntax": terms, `%regular expressions%` and `{ JSON }`, with case.
What is invalid on AWS, and `[space, delimited]` patterns, are refused by name and never guessed.
"""

from local.aws.filter_patterns.installation import install
from local.aws.filter_patterns.matching import InvalidPatternError, matcher

__all__ = ["InvalidPatternError", "install", "matcher"]
