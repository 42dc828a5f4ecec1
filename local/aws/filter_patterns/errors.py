class InvalidPatternError(ValueError):
    """No pattern of CloudWatch Logs, or one that is not matched here; the message says which."""
