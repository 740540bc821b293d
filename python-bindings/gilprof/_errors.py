"""The exceptions; the compiled part raises them too."""


class Error(Exception):
    """Something that gilprof was asked for could not be done."""


class UnsupportedError(Error):
    """This interpreter cannot be profiled; says why, and what works instead."""


class OptionError(Error, ValueError):
    """An option or an argument is not allowed; names it, its value and what is."""


class NotRunningError(Error):
    """Nothing is being recorded."""


class FormatError(Error, ValueError):
    """A file or a text is not a profile, or is of a newer format."""


class AttachError(Error):
    """A process cannot be attached to; says why, and what would help."""


for _error in (
    Error,
    UnsupportedError,
    OptionError,
    NotRunningError,
    FormatError,
    AttachError,
):
    _error.__module__ = "gilprof"
del _error
