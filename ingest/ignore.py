"""A relative path in, whether a watched folder leaves it out out; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

from pathspec import GitIgnoreSpec

IGNORE_FILES = (".quireignore", ".ragignore")

# Half-written, hidden, or made by the system and by sync programs; compared in lower case.
_NEVER = (
    ".*", "*.tmp", "*.part", "*.crdownload", "*.download", "*.filepart", "*.swp", "*~", "4913",
    "~$*", "thumbs.db", "desktop.ini", "~syncthing~*", "@eadir", "__macosx", "node_modules",
)  # fmt: skip
_NEVER_NAME = re.compile("|".join(translate(one) for one in _NEVER))

# Second versions that sync programs put beside a file when two machines have changed it.
_CONFLICT_NAME = re.compile(
    r"\.sync-conflict-\d{8}-"  # Syncthing
    r"|\((.+ )?conflicted copy|\(case conflict"  # Dropbox, Nextcloud
    r"|_conflict-\d{8}-|\(sfconflict "  # ownCloud, Seafile
)


def is_never(path: str) -> bool:
    """Tell whether a name on a path is one that no folder has indexed, whatever its rules say."""
    return any(_NEVER_NAME.match(part.casefold()) for part in path.split("/"))


def is_conflict_copy(path: str) -> bool:
    """Tell whether a sync program wrote a file because it could not decide between two versions."""
    return _CONFLICT_NAME.search(path.rpartition("/")[2].casefold()) is not None


class IgnoreRules:
    """What is never ingested, and what ignore files add; rules are those of gitignore.

    Every folder may have rules of its own: they go before those of the folders above. What lies
    in a folder that is left out cannot be taken back in.
    """

    def __init__(
        self, lines: Iterable[str] = (), folder: str = "", above: IgnoreRules | None = None
    ) -> None:
        """Read the lines of one ignore file.

        Args:
            folder: where it lies: a path relative to the root that ends in a slash, or nothing.
            above: the rules of the folder above.
        """
        own = GitIgnoreSpec.from_lines(
            [one for line in lines if (one := _pattern(line)) is not None]
        )
        inherited = above._specs if above is not None else ()
        self._specs: tuple[tuple[str, GitIgnoreSpec], ...] = (
            ((folder, own), *inherited) if len(own) else inherited
        )

    def is_ignored(self, path: str, *, is_folder: bool = False) -> bool:
        """Tell whether a path, relative to the watched folder and with slashes, is left out."""
        parts = path.split("/")
        folders = ("/".join(parts[:n]) for n in range(1, len(parts)))
        return any(self.is_left_out(one, is_folder=True) for one in folders) or self.is_left_out(
            path, is_folder=is_folder
        )

    def is_left_out(self, path: str, *, is_folder: bool) -> bool:
        """Tell whether a path is left out whose folders are not."""
        if is_never(path.rpartition("/")[2]):
            return True
        for folder, spec in self._specs:
            if path.startswith(folder):
                own = path[len(folder) :] + "/" * is_folder
                is_matched = spec.check_file(own).include
                if is_matched is not None:
                    return is_matched
        return False


def _pattern(line: str) -> str | None:
    """Clean a line; git takes no notice of one that is no pattern either."""
    line = line.rstrip("\r\n")
    if line.endswith("/**"):
        line = line[:-1]  # the same, but without the folder itself, so that files come back in
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return None
    return line
