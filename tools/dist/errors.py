"""The error that a person is told of."""


class DistError(Exception):
    """A release cannot be made; the message says what to do."""
