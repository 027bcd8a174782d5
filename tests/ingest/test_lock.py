import pytest

from ingest.errors import LibraryLockedError
from ingest.lock import FolderLock


def test_a_folder_has_one_owner_at_a_time(tmp_path):
    lock = FolderLock(tmp_path / "home" / "lock")

    with pytest.raises(LibraryLockedError, match="QUIRE_HOME"):
        FolderLock(tmp_path / "home" / "lock")

    lock.release()
    lock.release()
    FolderLock(tmp_path / "home" / "lock").release()
