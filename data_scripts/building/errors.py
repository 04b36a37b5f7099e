"""What ends a build, and how it is said."""


class BuildError(Exception):
    """What keeps a script from working, of no fault of the data."""


class DataError(Exception):
    """A source or a built folder that is not as it must be: what was needed, found, and where."""


def in_short(error):
    """The first line of an error's text."""
    return ascii(str(error).partition("\n")[0])[1:-1].rstrip(":") or type(error).__name__
