"""What each page needs before its commands run. A page that is not named needs nothing but its own files."""


def prepare(page, world):
    """Prepares the world of a page."""
    SETUPS.get(page, lambda world: None)(world)


SETUPS = {}
