"""Every error DeciFace raises on purpose.

::

    DeciFaceError                 exit 2
    ├── InputError                what the user gave cannot be used
    │   ├── PhotoError            not an image, too large, damaged, animated
    │   ├── TableError            a bad cell, with file, row and column
    │   ├── NothingImportedError  cases were there, none could be taken
    │   └── OptionError           an option with a value that is not allowed
    ├── ModelError                a model file is missing, altered or of the wrong shape
    ├── MismatchError             encodings or crops that must not be compared
    ├── StorageError              a file could not be written or read back
    ├── AccessError               the user may not do that with that record
    ├── ProcessError              a process that did part of the work was ended from outside
    └── NothingFoundError         exit 3: the input is fine, but there is nothing in it
        ├── NoFaceError           no plausible face in the photo
        └── NoGalleryError        nobody to compare with

A message says, in one line, what was given, what is allowed and what to do next.
"""


class DeciFaceError(Exception):
    """Root of all deliberate errors; `exit_code` is what the command line returns."""

    exit_code = 2


class InputError(DeciFaceError):
    """What the user gave cannot be used."""


class PhotoError(InputError):
    """A photo that cannot be decoded safely."""


class TableError(InputError):
    """A bad cell in a table.

    Parameters
    ----------
    message
        What was given, what is allowed, what to do.
    file, row, column
        Where it stands; rows count from 1 and include the header line.
    """

    def __init__(self, message: str, *, file: str = "", row: int | None = None, column: str | None = None) -> None:
        place = ", ".join(
            part
            for part in (file, f"row {row}" if row is not None else "", f"column '{column}'" if column else "")
            if part
        )
        super().__init__(f"{place}: {message}" if place else message)
        self.file, self.row, self.column = file, row, column


class OptionError(InputError):
    """An option with a value that is not allowed."""


class NothingImportedError(InputError):
    """Cases of which none could be imported; `problems` holds everything that was found, one line each."""

    def __init__(self, message: str, *, problems: tuple[str, ...]) -> None:
        super().__init__(message)
        self.problems = problems


class ModelError(DeciFaceError):
    """A model file that is missing, altered or of the wrong shape."""


class MismatchError(DeciFaceError):
    """Encodings, crops or galleries that must not be compared with each other."""


class StorageError(DeciFaceError):
    """A file that could not be written or read back."""


class AccessError(DeciFaceError):
    """Something that the user may not do with a record, or that no consent covers."""


class ProcessError(DeciFaceError):
    """A process that did a part of the work was ended from outside."""


class NothingFoundError(DeciFaceError):
    """The input is fine, but what was looked for is not in it."""

    exit_code = 3


class NoFaceError(NothingFoundError):
    """No plausible face in the photo."""


class NoGalleryError(NothingFoundError):
    """Nobody to compare with."""
