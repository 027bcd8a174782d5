"""What the server tells by a code, against the words that the pages have for it."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.access.policy import rule_of
from app.api.wire import NoticeFacts
from app.backup.record import Taken
from app.doctor import (
    judge_disk,
    judge_machine,
    judge_models,
    judge_port,
    judge_python,
)
from app.doctor_library import (
    judge_backups,
    judge_bound,
    judge_catalogue,
    judge_clock,
    judge_counts,
    judge_jobs,
)
from app.doctor_system import (
    judge_access,
    judge_files,
    judge_permissions,
    judge_programs,
    judge_settings,
    judge_use,
)
from app.machine import GIB, Machine
from app.models import EMBEDDING, STARTER_CHAT, STARTER_EMBEDDING, notices_of
from app.native_build import judge_backends, judge_processor
from tests.ui.conftest import ROOT
from ui.told import Notice, notice_text, worded
from ui.told_words import TOLD
from ui.words import Words

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SMALL, LARGE = Machine(GIB, 1), Machine(64 * GIB, 8, vram_bytes=24 * GIB)
FINDINGS = [
    judge_python((3, 10, 1)),
    judge_disk("/data", GIB),
    *judge_machine(SMALL, "m"),
    *judge_machine(LARGE, "m"),
    *judge_models([], ("nomic-embed-text",)),
    judge_port("http://x", "", is_ours=False),
    judge_port("http://x", "Quire", is_ours=True),
    judge_port("http://x", "nginx", is_ours=False),
    *judge_backups([], NOW, n_documents=1),
    *judge_backups([Taken(str(NOW - timedelta(9)), "/b.tar", 1)], NOW, n_documents=1),
    *judge_bound(["embedding model a is not installed (123): run `quire pull a`"]),
    judge_catalogue("kb.sqlite3", ""),
    judge_catalogue("kb.sqlite3", "row 3"),
    *judge_clock(str(NOW + timedelta(1)), NOW),
    *judge_counts({"is_index_behind": True}),
    *judge_counts({"n_orphans": 3}),
    *judge_counts({}),
    *judge_jobs(2),
    *judge_access("on", ""),
    *judge_access("auto", "127.0.0.1"),
    *judge_access("off", "0.0.0.0"),
    *judge_files(256),
    *judge_permissions("/data", 0o707, is_reachable=True),
    *judge_permissions("/data", 0o705, is_reachable=True),
    *judge_programs({"tesseract": True}),
    *judge_programs({"soffice": True}),
    *judge_settings(["QUIRE_PROT", "QUIRE_XYZ"], ["QUIRE_PORT"]),
    *judge_use({"catalogue": GIB, "originals": GIB}),
    *judge_backends("", ["CPU: Xeon"], ["CUDA"], "0.3"),
    *judge_backends("CUDA : ARCHS = 900", ["CPU: Xeon"], ["CUDA"], "0.3"),
    judge_processor("", (), "0.3"),
    judge_processor("AVX2 = 1", ("avx2",), "0.3"),
    judge_processor("", ("avx2",), "0.3"),
]


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda one: f"{one.code} {one.level}")
def test_a_finding_is_worded_in_chinese_with_all_its_values_and_its_cure(finding):
    what, cure = worded(finding.what, finding.cure, finding.code, finding.values, Words("zh"))

    assert what != finding.what or finding.code == "python"
    assert bool(cure) == bool(finding.cure)
    # What has to be typed is the same in every language.
    for command in re.findall(r"`([^`]+)`", finding.cure):
        assert command in cure or "ulimit" in command


def test_every_code_that_is_told_has_chinese_words():
    files = [*(ROOT / "app").glob("doctor*.py"), ROOT / "app" / "native_build.py"]
    source = "".join(one.read_text(encoding="utf-8") for one in files)
    named = set(re.findall(r'code="(\w+)"', source))

    assert len(named) > 10
    assert named <= set(TOLD)


def test_a_notice_bears_its_code_and_is_worded_by_it():
    for text in notices_of(STARTER_EMBEDDING, STARTER_CHAT, SMALL):
        facts = NoticeFacts.of(text)
        told = notice_text(Notice(text, facts.code, facts.values), Words("zh"))
        assert "入门模型" in told
        assert "`quire pull" in told
    assert EMBEDDING in NoticeFacts.of(notices_of(STARTER_EMBEDDING, "", SMALL)[0]).values.values()
    rule = rule_of("off", "0.0.0.0", has_key=False)
    assert NoticeFacts.of(rule.notice).code == "open_server"
    assert NoticeFacts.of("as it is") == NoticeFacts()


@pytest.mark.parametrize(
    ("code", "values"), [("", {}), ("of_tomorrow", {}), ("disk", {"free": 1}), ("use", {})]
)
def test_what_this_page_cannot_word_stays_in_the_servers_words(code, values):
    assert worded("what", "cure", code, values, Words("zh")) == ("what", "cure")


def test_in_english_the_servers_words_stand():
    assert worded("what", "cure", "no_backup", {}, Words("en")) == ("what", "cure")
