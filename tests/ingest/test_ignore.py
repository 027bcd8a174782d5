import pytest

from ingest.ignore import IgnoreRules, is_conflict_copy, is_never


@pytest.mark.parametrize(
    "path",
    [
        ".hidden",
        ".git/config",
        "a/.cache/b.txt",
        "x.tmp",
        "film.CRDOWNLOAD",
        "report.docx~",
        "~$report.docx",
        ".~lock.report.odt#",
        "._photo.txt",
        "a/Thumbs.db",
        "4913",
        "a/node_modules/b.md",
        "__MACOSX/a.txt",
        "@eaDir/a.txt",
        ".DS_Store",
        ".syncthing.a.txt.tmp",
        "~syncthing~a.txt.tmp",
        ".stfolder/marker.txt",
        ".stversions/a.txt",
        ".Trash-1000/files/a.txt",
        ".a.txt.swp",
        "a.swp",
        "a.part",
        "a.download",
        "a.filepart",
        "desktop.ini",
        "Desktop.ini",
        "lu1234abcd.tmp",
    ],
)
def test_half_written_and_hidden_files_are_never_ingested(path):
    assert IgnoreRules().is_ignored(path)
    assert is_never(path)


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("a/notes.sync-conflict-20240131-120000-ABCDEFG.md", True),
        ("notes (Ann's conflicted copy 2024-01-31).md", True),
        ("notes (conflicted copy 2024-01-31 120000).md", True),
        ("notes (Case Conflict).md", True),
        ("notes_conflict-20240131-120000.md", True),
        ("notes (SFConflict ann@example.org 2024-01-31-12-00-00).md", True),
        ("a (conflicted copy)/notes.md", False),
        ("notes.md", False),
        ("how we solved the conflict.md", False),
        ("conflicted copy.md", False),
    ],
)
def test_second_versions_by_sync_programs_are_known_by_their_names(path, is_one):
    assert is_conflict_copy(path) is is_one


@pytest.mark.parametrize("path", ["a.txt", "a/b c/d.md", "tmp/a.txt", "notes.sync-conflict-1.md"])
def test_other_files_are(path):
    assert not IgnoreRules().is_ignored(path)


@pytest.mark.parametrize(
    ("rule", "path", "is_ignored"),
    [
        ("*.log", "a/b.log", True),
        ("/b.log", "a/b.log", False),
        ("/a/*.log", "a/b.log", True),
        ("/a/*.log", "a/c/b.log", False),
        ("a/**/b.log", "a/x/y/b.log", True),
        ("a/**/b.log", "a/b.log", True),
        ("a/**", "a/x/y", True),
        ("old/", "x/old/a.txt", True),
        ("old/", "x/old", False),
        ("old", "x/old", True),
        ("?.txt", "ab.txt", False),
        ("[!a].txt", "b.txt", True),
        ("[ab].txt", "c.txt", False),
        ("# note", "# note", False),
        ("", "a.txt", False),
    ],
)
def test_rules_are_those_of_gitignore(rule, path, is_ignored):
    assert IgnoreRules([rule]).is_ignored(path) is is_ignored


def test_a_later_rule_takes_a_file_back_in():
    rules = IgnoreRules(["*.txt", "!keep.txt"])

    assert rules.is_ignored("a.txt")
    assert not rules.is_ignored("keep.txt")


@pytest.mark.parametrize(
    ("lines", "path", "is_ignored"),
    [
        (["*.txt", "!keep.txt"], "a/keep.txt", False),
        (["!keep.txt", "*.txt"], "keep.txt", True),  # the last rule that fits decides
        (["a/", "!a/keep.txt"], "a/keep.txt", True),  # its folder is out: nothing comes back in
        (["a/*", "!a/keep.txt"], "a/keep.txt", False),
        (["a/**", "!a/keep.txt"], "a/keep.txt", False),
        (["/*", "!/a/"], "a/x.txt", False),
        (["/*", "!/a/"], "b/x.txt", True),
        (["\\#real"], "#real", True),
        (["\\!real"], "!real", True),
        (["trailing   "], "trailing", True),
        (["a\\ "], "a ", True),
        (["**/logs/*.md"], "x/logs/a.md", True),
        (["*.MD"], "a.md", False),
        (["!", "a\\", "b.txt"], "b.txt", True),  # lines that are no pattern are passed over
    ],
)
def test_the_corners_of_gitignore_are_as_in_git(lines, path, is_ignored):
    assert IgnoreRules(lines).is_ignored(path) is is_ignored


def test_a_folder_may_have_rules_of_its_own_that_go_first():
    above = IgnoreRules(["*.txt", "/b.md"])
    rules = IgnoreRules(["!keep.txt", "/b.md"], "sub/", above)

    assert rules.is_ignored("sub/a.txt")
    assert not rules.is_ignored("sub/keep.txt")
    assert rules.is_ignored("sub/b.md")
    assert not rules.is_ignored("sub/deep/b.md")


def test_no_rule_takes_hidden_files_in():
    assert IgnoreRules(["!.secret", "!*.tmp"]).is_ignored(".secret")
