"""What can be wrong with a backup.

BackupError
├── BackupRefused     nothing was begun: the folder or the database is not one to write to
├── BackupFailed      it could not be finished: a full disk, for one
├── BackupDamaged     what a backup holds is not what it says
├── FileGone          a file that a catalog names is not there
└── FileDamaged       a file is not what its hash says
"""

from indexer.errors import IndexerError


class BackupError(IndexerError):
    """Anything that goes wrong with a backup or its restoration."""


class BackupRefused(BackupError):
    """Nothing was begun: the folder or the database is not one to write to."""


class BackupFailed(BackupError):
    """It could not be finished: a full disk, for one."""


class BackupDamaged(BackupError):
    """What a backup holds is not what it says."""


class FileGone(BackupError):
    """A file that a catalog names is not there."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} is not there")


class FileDamaged(BackupError):
    """A file is not what its hash says."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} does not match its SHA-256")
