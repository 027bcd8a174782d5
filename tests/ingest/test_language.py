import pytest

from ingest.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The manual of the machine is in the drawer.", "en"),
        ("员工每年有十五天的年假，可以分次使用。", "zh"),
        ("使用 Docker Compose 启动 API server，然后打开 http://localhost 即可访问。", "zh"),
        ("社員は年に十五日の休暇を取ることができます。", "other"),
        ("직원은 매년 15일의 휴가를 사용할 수 있습니다.", "other"),
        ("Der Urlaub ist mit dem Chef abzustimmen, und zwar nicht erst im Mai.", "other"),
        ("Les employés ont droit à des congés et une prime dans le courant du mois.", "other"),
        ("El contrato es de una duración determinada y no se prorroga por las partes.", "other"),
        ("Сотрудник имеет право на пятнадцать дней отпуска, считая с января и по май.", "other"),
        ("The word 茶 means tea, and it is the oldest of the three that are in use.", "en"),
        ("", "other"),
        ("12 | 14 | 19", "other"),
    ],
)  # fmt: skip
def test_a_text_is_known_by_its_script_and_its_small_words(text, language):
    assert language_of(text) == language


def test_what_says_too_little_is_in_the_language_of_its_document():
    assert language_of("Smith, Q3: 1,200", "en") == "en"
    assert language_of("SKU-7741", "zh") == "zh"


def test_a_long_text_is_judged_by_places_all_over_it():
    assert language_of("年假有十五天。" * 100_000 + "the end of it is in English") == "zh"


def test_words_count_alike_in_bare_ascii_and_beside_other_letters():
    text = "THE_of2and,in.That-was"

    assert language_of(text) == language_of(text + " café") == "en"
