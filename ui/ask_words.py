"""What the page of asking says beyond the answers themselves, in English and Chinese; pure."""

from __future__ import annotations

from collections.abc import Mapping

ASK: Mapping[str, tuple[str, str]] = {
    # Conversations
    "search_conversations": ("Search conversations", "搜索对话"),
    "no_conversations": ("Nothing asked yet.", "还没有对话。"),
    "no_conversation_found": ("No conversation says that.", "没有找到相关对话。"),
    "more_conversations": ("Show more", "显示更多"),
    "untitled": ("Untitled", "未命名"),
    "day_today": ("Today", "今天"),
    "day_yesterday": ("Yesterday", "昨天"),
    "day_week": ("Last seven days", "最近七天"),
    "day_earlier": ("Earlier", "更早"),
    "chat_menu": ("What to do with it", "操作"),
    "chat_rename": ("Rename", "重命名"),
    "chat_export": ("Export", "导出"),
    "chat_delete": ("Delete", "删除"),
    "chat_title": ("Title", "标题"),
    "chat_save": ("Save", "保存"),
    "chat_title_needed": ("Give it a title.", "请填写标题。"),
    "chat_delete_title": ("Delete this conversation?", "删除此对话？"),
    "chat_delete_explained": (
        "“{title}” is wiped from the disk. The documents stay; so do exam questions that came "
        "from its answers.",
        "“{title}”将从磁盘上彻底删除。文档不受影响，由其回答生成的试题也会保留。",
    ),
    "chat_deleted": ("The conversation is deleted.", "对话已删除。"),
    "chat_export_title": ("Export this conversation", "导出此对话"),
    "chat_export_explained": (
        "Markdown is for reading, with the sources as footnotes. JSON holds everything and can be "
        "imported again.",
        "Markdown 便于阅读，来源列为脚注；JSON 包含全部内容，可重新导入。",
    ),
    "chat_gone": (
        "That conversation is no longer there: it was deleted elsewhere.",
        "该对话已不存在：已在别处删除。",
    ),
    "chat_gone_new": (
        "The conversation was deleted elsewhere. Your question begins a new one.",
        "原对话已在别处删除，您的问题已放入新对话。",
    ),
    "answered_elsewhere": (
        "This is being answered in another tab, or was a moment ago.",
        "此问题正在另一个标签页中回答，或刚刚中断。",
    ),
    # Choices
    "chat_model": ("Chat model", "对话模型"),
    "model_default": ("Default: {model}", "默认：{model}"),
    "model_default_none": ("Default: quotations, no model", "默认：引用原文（无模型）"),
    # Questions
    "suggested": ("You could ask", "您可以这样问"),
    "question_empty": ("Type a question first.", "请先输入问题。"),
    "question_long": (
        "That has {n} characters; a question may have {most}. Drop a long text in as a file, then "
        "ask about it. This is what you typed:",
        "共有 {n} 个字符，问题最多 {most} 个。较长的文本请作为文件拖入后再提问。"
        "以下是您输入的内容：",
    ),
    "broken_off_kept": (
        "Broken off. What was checked by then is shown.",
        "回答已中断。以上为中断前已核对的内容。",
    ),
    "broken_off_nothing": (
        "Broken off before anything was checked.",
        "回答在核对之前中断。",
    ),
    # Files
    "files_sending": ("Sending {n} file(s) …", "正在发送 {n} 个文件……"),
    "files_reading": ("Reading {done} of {n} file(s) …", "正在读取文件 {done}/{n}……"),
    "files_done": (
        "Into {collection}: {stored} added, {skipped} already there.",
        "存入 {collection}：新增 {stored} 个，{skipped} 个已存在。",
    ),
    "files_failed": ("{n} could not be read:", "{n} 个无法读取："),
    "files_left": (
        "They are still being read; “Documents” shows how it goes.",
        "文件仍在读取；可在“文档”页查看进度。",
    ),
    "files_skip": ("Do not wait", "不再等待"),
    "files_broken": ("The upload did not work.", "上传未成功。"),
    # Sources
    "open_source": ("Open source {n}", "打开来源 {n}"),
    "close_source": ("Close", "关闭"),
    # Refusals
    "refused_looked": (
        "Passages looked at: {n}, in {files} of {collection}.",
        "已查阅：{collection} 中 {files} 的 {n} 个段落。",
    ),
    "refused_files": ("{n} documents", "{n} 个文档"),
    "refused_file": ("1 document", "1 个文档"),
    "refused_words": ("Searched for: {words}", "检索内容：{words}"),
    "look_elsewhere": ("Look in other collections", "在其他文档集中查找"),
    "ask_there": ("Ask {collection}", "向 {collection} 提问"),
    "elsewhere_nothing": ("Nothing like it in other collections.", "其他文档集中也没有相关内容。"),
    # Feedback
    "thanks": ("Thank you.", "谢谢。"),
    "thanks_cases": (
        "Thank you. It is a question of the exam now.",
        "谢谢，已加入试题。",
    ),
    "say_more": ("Say more", "补充说明"),
    "opinion_comment": ("What should we know? (optional)", "有什么要补充的？（可不填）"),
    "opinion_right": ("What would have been right?", "正确的依据是什么？"),
    "opinion_rests": ("Where does it stand?", "依据在哪里？"),
    "opinion_as_cited": ("Where the answer says", "如回答所引"),
    "opinion_unsaid": ("I do not know", "不确定"),
    "opinion_missing": ("It is not in the documents", "文档中没有"),
    "opinion_send": ("Send", "提交"),
    "opinion_explained": (
        "Stays on your server. A passage that you name becomes an exam question: “Evaluate” then "
        "tells whether a change makes it better.",
        "仅保存在您的服务器上。您指出的段落会成为试题，可在“评测”页检验改动是否有效。",
    ),
    "opinion_failed": ("That was not kept: {message}", "未能保存：{message}"),
}
