from __future__ import annotations

import pytest

from app.query.standalone import is_standalone


@pytest.mark.parametrize(
    "question",
    [
        "What is it called when a government is overthrown by force?",
        "Why is it important to drink enough water?",
        "How long does it take to reach the summit of Mont Blanc?",
        "What university won the award for most IT enabled organisation?",
        'Who wrote the song "They Told Him" by Ann Marlow?',
        "What key elements did President Ames mention are included in the bill he introduced?",
        "When did Harbour Sports say it would launch as a subscription service?",
        "What influence did Ann Marlow's early life have on her art?",
        "Which university has a school dealing with medicine in its charter?",
        "Which team scored most points this season?",
        "How long is the waiting period for those who enter the country without papers?",
        "How many teams has Marlow played for that reached the final while she was there?",
        "Is there a railway to Quarrel Bay?",
        "What does photosynthesis mean?",
        "《雾港》这部作品是由什么改编的？",
        "“胜任力”这个词第一次在哪里出现？",
        "落山风这个名字有什么来由？",
        "艾努人称他们自己的语言为什么？",
        "唐鱼是什么科的其中一种？",
        "即将离任的马其顿总统是谁？",
        "吉他和小提琴有什么不同？",
        "世界上面积最大的沙漠在哪个洲？",
    ],
)
def test_what_names_its_own_topic_stands_alone(question):
    assert is_standalone(question)


@pytest.mark.parametrize(
    "question",
    [
        "When was it declared?",
        "Who wrote it for him?",
        "Whose English translation was influenced by it?",
        "Did Edison meet him there?",
        "What did Marlow paint with it?",
        "In what year was that passed?",
        "What is the capital?",
        "When was the treaty signed?",
        "Which award has she won?",
        "Who is the English translator of this hymn?",
        "How many?",
        "Which year?",
        "And in 1900?",
        "What about the lighthouse of Quarrel Bay?",
        "",
        "建于哪一年？",
        "分别是谁？",
        "由谁设计的？",
        "在什么地方？",
        "其首都是哪里？",
        "后者是谁写的？",
        "那年发生了什么？",
        "多少人？",
        "它們位於哪裡？",
        "這個車站是誰設計的？",
    ],
)
def test_what_leans_on_the_talk_does_not(question):
    assert not is_standalone(question)
