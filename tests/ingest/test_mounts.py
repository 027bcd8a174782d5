import pytest

from ingest.mounts import events_of, is_made_up

MOUNTS = r"""
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /mnt/nfs nfs4 rw,vers=4.2 0 0
//nas/share /mnt/my\040share cifs rw 0 0
C:\134 /mnt/c 9p rw,dirsync,aname=drvfs 0 0
C: /mnt/old drvfs rw 0 0
me@host:/home /mnt/ssh fuse.sshfs rw 0 0
/dev/sdb1 /mnt/stick fuseblk rw 0 0
overlay /layers overlay rw,lowerdir=/l,upperdir=/u 0 0
tmpfs /mnt/nfs/cache tmpfs rw 0 0
server:/a /twice nfs rw 0 0
/dev/vdb /twice ext4 rw 0 0
mine /mnt/merged fuse.mergerfs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/me/docs", "reported"),
        ("/", "reported"),
        ("/mnt/nfs", "none"),
        ("/mnt/nfs/docs", "none"),
        ("/mnt/nfsx", "reported"),  # a name that begins alike
        ("/mnt/nfs/cache/docs", "reported"),  # the longest mount point decides
        ("/mnt/my share/docs", "none"),  # blanks are written in octal
        ("/mnt/c/Users", "none"),
        ("/mnt/old", "none"),
        ("/mnt/ssh/docs", "none"),
        ("/mnt/stick/docs", "reported"),  # a local disk through FUSE
        ("/layers/docs", "unsure"),
        ("/mnt/merged/docs", "unsure"),
        ("/twice/docs", "reported"),  # the later mount hides the earlier
    ],
)
def test_folders_without_events_are_known_by_their_file_system(folder, expected):
    assert events_of(folder, MOUNTS) == expected


def test_where_no_mounts_are_listed_events_are_trusted():
    assert events_of("/Users/me", "") == "reported"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/proc", True),
        ("/proc/self/fd", True),
        ("/dev", True),
        ("/dev/shm", True),
        ("/developers", False),
        ("/proceedings", False),
        ("/home/me/docs", False),
        ("/mnt/nfs/docs", False),
        ("/", False),
    ],
)
def test_what_the_kernel_makes_up_is_known(folder, expected):
    assert is_made_up(folder, MOUNTS) is expected


def test_without_a_list_of_mounts_nothing_is_made_up_but_devices():
    assert not is_made_up("/proc", "")
    assert is_made_up("/dev", "")
