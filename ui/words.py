"""Every sentence that the interface says, in English and Chinese; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]

LANGUAGES: Mapping[Language, str] = {"en": "English", "zh": "中文"}


def language_for(locale: str | None) -> Language:
    """Choose the language for a browser's locale, e.g. zh-CN."""
    return "zh" if (locale or "").casefold().startswith("zh") else "en"


class Words:
    """The sentences in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """Return one sentence with its values filled in.

        Raises:
            KeyError: there is no such sentence.
        """
        return TABLE[key][0 if self.language == "en" else 1].format(**values)

    def beat(self, name: str) -> str:
        """Say what the server is doing; of a beat unknown here, that it is at work."""
        return self(f"beat_{name}" if f"beat_{name}" in TABLE else "beat_waiting")


TABLE: Mapping[str, tuple[str, str]] = {
    # Frame
    "ask": ("Ask", "提问"),
    "documents": ("Documents", "文档"),
    "language": ("Language", "语言"),
    "collection": ("Collection", "文档集"),
    "cancel": ("Cancel", "取消"),
    "retry": ("Try again", "重试"),
    "collection_counts": (
        "documents: {documents}, passages: {chunks}",
        "{documents} 个文档，{chunks} 个段落",
    ),
    "private": (
        "Your documents and questions go to your own Quire server and nowhere else.",
        "您的文档和问题只会发送到您自己的 Quire 服务，不会发往别处。",
    ),
    # Errors
    "server_gone": (
        "Quire does not answer at {url}. Start it with `quire up`, then try again.",
        "无法连接到 {url} 的 Quire 服务。请先运行 `quire up`，然后重试。",
    ),
    "refused": (
        "That did not work: {message}",
        "操作未成功：{message}",
    ),
    "refused_404": (
        "It is no longer there: {message}. Reload the page to see what there is.",
        "内容已不存在：{message}。请刷新页面查看现有内容。",
    ),
    "refused_413": (
        "That is too large: {message}. Split it, or raise QUIRE_MAX_FILE_MB.",
        "文件过大：{message}。请拆分文件，或调高 QUIRE_MAX_FILE_MB。",
    ),
    "refused_503": (
        "Quire is busy or still starting: {message}. Wait a moment, then try again.",
        "Quire 正忙或仍在启动：{message}。请稍候再试。",
    ),
    "unexpected": (
        "Something went wrong in this page. Reload it; the server's log says more.",
        "页面出现问题。请刷新页面；详细信息见服务器日志。",
    ),
    # Ask
    "ask_title": ("Ask your documents", "向您的文档提问"),
    "ask_placeholder": ("Ask a question about your documents", "输入关于您文档的问题"),
    "ask_hint": (
        "Every answer names its sources. Open one to read the passage that it rests on.",
        "每个回答都会注明来源。打开来源即可阅读所依据的原文。",
    ),
    "new_chat": ("New conversation", "新对话"),
    "no_documents_ask": (
        "There are no documents here yet. Add some first, then ask about them.",
        "这里还没有文档。请先添加文档，再来提问。",
    ),
    "go_to_documents": ("Add documents", "添加文档"),
    "beat_waiting": ("Starting …", "正在开始……"),
    "beat_rewrite": ("Understanding the question …", "正在理解问题……"),
    "beat_retrieve": ("Searching your documents …", "正在检索您的文档……"),
    "beat_rerank": ("Choosing the best passages …", "正在挑选最相关的段落……"),
    "beat_pack": ("Reading the passages …", "正在阅读段落……"),
    "beat_generate": ("Writing the answer …", "正在撰写回答……"),
    "beat_verify": ("Checking each sentence against its source …", "正在逐句核对来源……"),
    "support_supported": ("Supported by the source", "来源支持"),
    "support_partly": (
        "Only partly in the source: read it before relying on this",
        "来源仅部分支持：请先阅读原文",
    ),
    "support_not_found": (
        "Not found in the sources: do not rely on this",
        "来源中未找到：请勿依赖",
    ),
    "legend_supported": ("found in the sources", "有来源支持"),
    "legend_partly": ("only partly found", "仅部分支持"),
    "legend_not_found": ("not found", "未找到依据"),
    "refused_answer": (
        "Your documents do not seem to answer this.",
        "您的文档中似乎没有这个问题的答案。",
    ),
    "refused_advice": (
        "Ask it in other words, choose another collection, or add a document that covers it.",
        "请换一种问法，选择其他文档集，或添加相关文档。",
    ),
    "extractive": (
        "Quoted from your documents word for word.",
        "以下内容逐字摘自您的文档。",
    ),
    "sources": ("Sources", "来源"),
    "other_sources": ("Also looked at, not cited ({n})", "已查阅但未引用（{n}）"),
    "nearest_sources": ("The nearest passages ({n})", "最接近的段落（{n}）"),
    "page": ("page {page}", "第 {page} 页"),
    "answered_by": ("Answered by {model}", "回答模型：{model}"),
    "searched_by": ("found with {model}", "检索模型：{model}"),
    "reranked_by": ("ranked by {model}", "排序模型：{model}"),
    "took": ("{seconds} s", "{seconds} 秒"),
    "stop": ("Stop", "停止"),
    "stopped": ("Stopped before the end.", "回答已中止。"),
    "ask_again": ("Ask again", "重新提问"),
    "cut": ("… the rest is not shown.", "……其余部分未显示。"),
    # A source
    "source_title": ("Source [{n}]", "来源 [{n}]"),
    "source_changed": (
        "This document has changed or was deleted since; this is the passage as it was used.",
        "该文档此后已更改或删除；以下是回答时使用的段落。",
    ),
    "earlier": ("Earlier in this passage", "此段落的前文"),
    "source_legend": ("Marked: the words that the answer cites.", "标记部分为回答所引用的文字。"),
    # Documents
    "documents_title": ("Your documents", "您的文档"),
    "add_label": (
        "Drop files: text, Markdown, PDF, Word, PowerPoint, Excel, HTML, … up to {mb} MB each",
        "拖入文件：文本、Markdown、PDF、Word、PowerPoint、Excel、HTML 等，每个不超过 {mb} MB",
    ),
    "choose_files": ("Choose files", "选择文件"),
    "add_into": (
        "Add to collection (choose one, or type a new name)",
        "添加到文档集（可选择，也可输入新名称）",
    ),
    "add_button": ("Add {n} file(s)", "添加 {n} 个文件"),
    "sending": ("Sending …", "正在上传……"),
    "job_queued": ("Waiting for its turn …", "排队等待中……"),
    "job_running": ("Reading {done} of {files} …", "正在读取 {done}/{files}……"),
    "job_done": (
        "{stored} added, {skipped} already there",
        "已添加 {stored} 个，{skipped} 个已存在",
    ),
    "job_errors": ("{n} file(s) could not be added:", "{n} 个文件未能添加："),
    "job_failed": ("Nothing was added.", "没有添加任何文件。"),
    "jobs_elsewhere": (
        "Quire is reading other files at the moment ({n} job(s)); they appear here when done.",
        "Quire 正在读取其他文件（{n} 个任务），完成后会显示在这里。",
    ),
    "dismiss": ("Dismiss", "知道了"),
    "search_documents": ("Search by name", "按名称搜索"),
    "search_placeholder": ("part of a title or path", "标题或路径的一部分"),
    "no_documents": (
        "No documents yet. Drop files above, or copy them into the folder {inbox}.",
        "还没有文档。请将文件拖到上方，或复制到文件夹 {inbox}。",
    ),
    "no_documents_short": ("No documents yet. Drop files above.", "还没有文档。请将文件拖到上方。"),
    "no_match": ("No document matches “{query}”.", "没有与“{query}”匹配的文档。"),
    "n_chunks": ("passages: {n}", "{n} 个段落"),
    "preview": ("Preview", "预览"),
    "delete": ("Delete", "删除"),
    "delete_title": ("Delete this document?", "删除此文档？"),
    "delete_explained": (
        "Its text and its search entries are removed from Quire. The original file is not touched.",
        "其文本和检索记录将从 Quire 中删除。原始文件不受影响。",
    ),
    "deleted": ("Deleted: {title}", "已删除：{title}"),
    "preview_legend": (
        "The text as Quire reads it; shades show where each of the {n} passages begins and ends.",
        "Quire 读取到的文本；深浅底色标示 {n} 个段落的起止。",
    ),
    "preview_empty": ("No text was found in this document.", "此文档中未找到文本。"),
    "chunk_title": ("Passage {n}", "段落 {n}"),
    "showing": ("{first}–{last} of {total}", "第 {first}–{last} 个，共 {total} 个"),
}
