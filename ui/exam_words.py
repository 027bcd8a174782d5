"""What the page of exams says, in English and Chinese; pure."""

from __future__ import annotations

from collections.abc import Mapping

EXAM: Mapping[str, tuple[str, str]] = {
    "evaluate": ("Evaluate", "评测"),
    "evaluate_title": ("How well does it find?", "检索效果如何？"),
    "evaluate_hint": (
        "An exam is made of your own documents. Take it before and after you change a model or a "
        "setting, and see whether the change helps.",
        "系统根据您自己的文档出题。在更换模型或修改设置的前后各测一次，即可看出改动是否有效。",
    ),
    "no_documents_exam": (
        "There are no documents here to make an exam of. Add some first.",
        "这里还没有可供出题的文档。请先添加文档。",
    ),
    "no_exam_yet": ("No exam of these documents was made yet.", "尚未针对这些文档生成试题。"),
    "no_exam": (
        "No exam yet. Make one: it takes seconds, and no model writes the questions.",
        "还没有试题。点击生成：只需几秒，且无需模型参与出题。",
    ),
    "exam_size": ("Questions at most", "题目数量上限"),
    "make_exam": ("Make an exam", "生成试题"),
    "make_again": ("Make it anew", "重新生成"),
    "exam_made": ("{n} questions are ready.", "已生成 {n} 道题。"),
    "exam_line": (
        "**{n} questions** from {documents} document(s), {u} of them about what is not "
        "there, {own} your own · made {when}",
        "共 **{n} 道题**，来自 {documents} 个文档，其中 {u} 道问的是文档中没有的内容，"
        "{own} 道为自拟题 · 生成于 {when}",
    ),
    "exam_stale": (
        "{n} questions have lost their document and are left out. Make the exam anew to replace "
        "them.",
        "有 {n} 道题的原文已不存在，不再计入。重新生成试题即可补齐。",
    ),
    "delete_exam": ("Delete", "删除"),
    "exam_deleted": ("The exam and its results are deleted.", "试题及其结果已删除。"),
    "own_question": ("Add a question of your own", "添加自拟题"),
    "own_ask": ("Question", "问题"),
    "own_file": ("File that answers it; empty: none does", "包含答案的文件；留空表示没有"),
    "own_answer": ("Answer, as it stands in the file", "答案（须与文件原文一致）"),
    "own_add": ("Add", "添加"),
    "own_added": ("The question is part of the exam now.", "该题已加入试题。"),
    "n_answers": (
        "Questions that are answered too, not only searched for",
        "除检索外还要生成回答的题数",
    ),
    "take_exam": ("Take the exam", "开始评测"),
    "judge": ("Judge the reranker", "评判重排模型"),
    "judge_explained": (
        "Finds out whether the reranker helps with these documents. If not, it gets no say.",
        "测试重排模型对这些文档是否有帮助；若没有帮助，则不再采用。",
    ),
    "run_begun": ("The exam has begun.", "评测已开始。"),
    "run_queued": ("Waiting for its turn", "排队等待中"),
    "run_running": ("{done} of {n} questions", "已完成 {done}/{n} 道题"),
    "run_cancelled": ("Cancelled.", "已取消。"),
    "run_failed": ("The last run failed: {message}", "上次评测未成功：{message}"),
    "no_runs": (
        "Not taken yet. Take it once, so that there is something to compare with.",
        "尚未评测。请先评测一次，以便日后比较。",
    ),
    "run_after": ("Result", "结果"),
    "run_before": ("Compare with", "对比"),
    "run_none": ("nothing", "不对比"),
    "figure": ("Measure", "指标"),
    "before": ("Before", "之前"),
    "after": ("After", "之后"),
    "interval": ("95 % interval", "95% 区间"),
    "change": ("Change", "变化"),
    "cases": ("Questions", "题数"),
    "finding": ("Finding", "结论"),
    "finding_better": ("better", "变好"),
    "finding_worse": ("worse", "变差"),
    "finding_none": ("no difference shown", "未见差异"),
    # The chart has room for some sixteen letters of each.
    "figure_hit1": ("Found first", "首位命中"),
    "figure_hit5": ("Found in five", "前五命中"),
    "figure_mrr": ("Rank (MRR)", "排名（MRR）"),
    "figure_span": ("Sentence in five", "前五含原句"),
    "figure_citation": ("Citations right", "引用含答案"),
    "figure_resolve": ("Citations exact", "引用与原文一致"),
    "figure_refused": ("Wrongly refused", "误拒"),
    "figure_unanswerable": ("Rightly refused", "正确拒答"),
    "figure_p50": ("Search p50 (ms)", "检索 p50（毫秒）"),
    "figure_p95": ("Search p95 (ms)", "检索 p95（毫秒）"),
    "figures_explained": (
        "Found: the passage that answers is first, or among the first five. Citations: they hold "
        "the answer; they are letter by letter in the document.",
        "命中：含答案的段落排在首位或前五。引用：是否含有答案；是否与原文逐字一致。",
    ),
    "figure_value": ("Value", "数值"),
    "changes_mended": ("Right now, wrong before ({n})", "由错变对的题（{n}）"),
    "changes_broken": ("Wrong now, right before ({n})", "由对变错的题（{n}）"),
    "changes_other": ("Wrong in another way ({n})", "错因改变的题（{n}）"),
    "changes_none": ("No single question changed sides.", "没有题目的对错发生变化。"),
    "changes_was": ("was: {what}", "之前：{what}"),
    "settings_changed": ("What changed between them: {what}", "两次之间的改动：{what}"),
    "settings_same": (
        "The settings of both are the same.",
        "两次的设置相同。",
    ),
    "run_errors": ("{n} questions failed and are in no figure.", "有 {n} 道题出错，不计入指标。"),
    "run_bar": (
        "Learnt from it: these documents refuse below a confidence of {bar}.",
        "据此得出：置信度低于 {bar} 时拒答。",
    ),
    "misses": ("What went wrong ({n})", "出错的题（{n}）"),
    "no_misses": ("Nothing went wrong.", "没有出错的题。"),
    "miss_not_found": ("not found", "未找到"),
    "miss_late": ("found late", "排名靠后"),
    "miss_refused": ("refused although it is there", "误拒"),
    "miss_answered": ("answered although it is not there", "应拒未拒"),
    "miss_error": ("error", "出错"),
    "miss_wanted": ("Wanted", "应找到"),
    "miss_found": ("Found instead", "实际找到"),
    "miss_nothing": ("nothing", "无"),
}
