"""Every sentence that the interface says, in English and Chinese; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ui.ask_words import ASK
from ui.documents_words import DOCUMENTS
from ui.exam_words import EXAM
from ui.frame_words import FRAME
from ui.models_words import MODELS
from ui.status_words import STATUS

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
    **FRAME,
    # Several pages
    "ask": ("Ask", "提问"),
    "documents": ("Documents", "文档"),
    "collection": ("Collection", "文档集"),
    "cancel": ("Cancel", "取消"),
    "collection_counts": (
        "documents: {documents}, passages: {chunks}",
        "{documents} 个文档，{chunks} 个段落",
    ),
    # Ask
    "ask_title": ("Ask your documents", "向您的文档提问"),
    "ask_placeholder": ("Ask about your documents", "输入关于您文档的问题"),
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
        "以上内容逐字摘自您的文档。",
    ),
    "why_marked": ("Why sentences are marked ({n})", "标记原因（{n}）"),
    "warned": ("Careful: {warning}", "注意：{warning}"),
    "warning_instructions": (
        "this passage holds instructions to a machine; they were not followed.",
        "该段落含有针对机器的指令，未予执行。",
    ),
    "warning_hidden": (
        "this passage holds text that its page does not show.",
        "该段落含有页面上不可见的文字。",
    ),
    "warning_link_exfiltration": (
        "this passage holds a link that could carry data away.",
        "该段落含有可能外传数据的链接。",
    ),
    "noticed": ("Note: {notice}", "提示：{notice}"),
    "trace_title": ("What was looked at", "查阅过程"),
    "trace_searched": ("Searched for", "检索内容"),
    "trace_filters": ("Only in", "筛选条件"),
    "trace_why": ("Answer", "回答方式"),
    "trace_confidence": ("Confidence", "置信度"),
    "trace_confidence_text": (
        "{confidence}, refused below {bar}",
        "{confidence}，低于 {bar} 则拒答",
    ),
    "trace_legs": ("Search", "检索权重"),
    "trace_legs_text": ("{dense} by meaning, {lexical} by words", "语义 {dense}，关键词 {lexical}"),
    "trace_budget": ("Passages", "段落"),
    "trace_budget_text": ("{used} of {room} tokens", "{room} 个词元中用了 {used} 个"),
    "trace_prompt": ("Chat model", "对话模型"),
    "trace_prompt_text": (
        "read {n_tokens} tokens, {n_reused} of them known already; wrote {n_generated}",
        "读取 {n_tokens} 个词元，其中 {n_reused} 个来自缓存；写出 {n_generated} 个",
    ),
    "trace_gone": ("Deleted meanwhile", "期间已删除"),
    "trace_notices": ("Notes", "提示"),
    "trace_seconds": ("Seconds", "用时（秒）"),
    "trace_dense": ("meaning", "语义"),
    "trace_lexical": ("words", "关键词"),
    "trace_fused": ("together", "综合"),
    "trace_reranked": ("reranked", "重排"),
    "trace_use": ("used as", "用途"),
    "trace_passage": ("passage {n}", "段落 {n}"),
    "trace_more": ("… and {n} more", "……另有 {n} 个"),
    "left_below": ("not among the best", "排名靠后"),
    "left_duplicate": ("says the same as another", "内容重复"),
    "left_merged": ("joined to its neighbour", "与相邻段落合并"),
    "left_no_room": ("no room", "放不下"),
    "left_deleted": ("deleted", "已删除"),
    "why_borne_out": (
        "Written by the model; every sentence is in the sources.",
        "由模型撰写，每句均有来源依据。",
    ),
    "why_partly_borne_out": (
        "Written by the model; what the sources do not hold is marked.",
        "由模型撰写，来源中没有的内容已标记。",
    ),
    "why_no_chat_model": (
        "Quoted, because there is no chat model.",
        "没有对话模型，因此直接引用原文。",
    ),
    "why_foreign_language": (
        "Quoted, because the small model does not write this language.",
        "小模型不会用这种语言写作，因此直接引用原文。",
    ),
    "why_not_borne_out": (
        "Quoted, because the sources do not bear out what the model wrote.",
        "模型所写内容没有来源依据，因此直接引用原文。",
    ),
    "why_nothing_stored": ("There are no documents yet.", "还没有任何文档。"),
    "why_filtered_out": ("The filters let nothing through.", "没有符合筛选条件的内容。"),
    "why_nothing_found": ("No passage was found.", "没有找到任何段落。"),
    "why_all_gone": ("What was found has been deleted meanwhile.", "找到的文档已被删除。"),
    "why_below_bar": ("What was found is too far from the question.", "找到的内容与问题相差太远。"),
    "why_model_found_nothing": (
        "The model finds no answer in the passages.",
        "模型在段落中没有找到答案。",
    ),
    "why_no_sentence_fits": (
        "No sentence of the passages answers it.",
        "段落中没有能回答问题的句子。",
    ),
    "sources": ("Sources", "来源"),
    "other_sources": ("Also looked at, not cited ({n})", "已查阅但未引用（{n}）"),
    "nearest_sources": ("The nearest passages ({n})", "最接近的段落（{n}）"),
    "page": ("page {page}", "第 {page} 页"),
    "page_printed": ("page {page} (printed {label})", "第 {page} 页（页码 {label}）"),
    "answered_by": ("Answered by {model}", "回答模型：{model}"),
    "searched_by": ("found with {model}", "检索模型：{model}"),
    "reranked_by": ("ranked by {model}", "排序模型：{model}"),
    "took": ("{seconds} s", "{seconds} 秒"),
    "minutes": ("{minutes} min", "{minutes} 分钟"),
    "hours": ("{hours} h {minutes} min", "{hours} 小时 {minutes} 分钟"),
    "stop": ("Stop", "停止"),
    "stopped": ("Stopped before the end.", "回答已中止。"),
    "ask_again": ("Ask again", "重新提问"),
    "cut": ("… the rest is not shown.", "……其余部分未显示。"),
    # A source
    "source_title": ("Source [{n}]", "来源 [{n}]"),
    "passage_title": ("Passage", "段落"),
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
    "job_queued": ("Waiting for its turn: {collection}", "排队等待中：{collection}"),
    "job_running": (
        "Reading {done} of {files} into {collection}",
        "正在读取 {done}/{files}，存入 {collection}",
    ),
    "job_done": (
        "{stored} added, {skipped} already there",
        "已添加 {stored} 个，{skipped} 个已存在",
    ),
    "job_errors": ("{n} file(s) could not be added:", "{n} 个文件未能添加："),
    "retry_all": ("Try all again", "全部重试"),
    "retry_none": (
        "It was refused, so nothing was kept of it: send it once more.",
        "该文件未被接受，也没有保留副本：请重新上传。",
    ),
    "job_failed": ("Nothing was added.", "没有添加任何文件。"),
    "jobs_more": ("… and {n} more waiting", "……另有 {n} 个任务等待中"),
    "jobs_news": ("The documents have changed.", "文档已有更新。"),
    "reload": ("Show", "显示"),
    "cancelled": (
        "Cancelled. What was read so far stays.",
        "已取消。此前已读取的内容会保留。",
    ),
    "jobs_before": ("What was read before", "以往的读取记录"),
    "jobs_before_failed": (
        "What was read before (with errors: {n})",
        "以往的读取记录（{n} 次有错误）",
    ),
    "dismiss": ("Dismiss", "知道了"),
    "search_documents": ("Search by name", "按名称搜索"),
    "search_placeholder": ("part of a title or path", "标题或路径的一部分"),
    "no_documents": (
        "No documents yet. Drop files above, or copy them into the folder {inbox}.",
        "还没有文档。请将文件拖到上方，或复制到文件夹 {inbox}。",
    ),
    "no_documents_bare": ("No documents yet.", "还没有文档。"),
    "no_documents_short": ("No documents yet. Drop files above.", "还没有文档。请将文件拖到上方。"),
    "no_match": ("No document matches “{query}”.", "没有与“{query}”匹配的文档。"),
    "n_chunks": ("passages: {n}", "{n} 个段落"),
    "preview": ("Preview", "预览"),
    "delete": ("Delete", "删除"),
    "delete_title": ("Delete this document?", "删除此文档？"),
    "deleted": ("Deleted: {title}", "已删除：{title}"),
    "preview_legend": (
        "The text as Quire reads it; shades show where each of the {n} passages begins and ends.",
        "Quire 读取到的文本；深浅底色标示 {n} 个段落的起止。",
    ),
    "preview_empty": ("No text was found in this document.", "此文档中未找到文本。"),
    "chunk_title": ("Passage {n}", "段落 {n}"),
    "showing": ("{first}–{last} of {total}", "第 {first}–{last} 个，共 {total} 个"),
    "more_warnings": ("… and {n} more: see the preview", "……另有 {n} 条，见预览"),
    "tab_documents": ("Documents", "文档"),
    "tab_folders": ("Watched folders", "监视的文件夹"),
    "tab_upkeep": ("Search index", "检索索引"),
    # Pace
    "passages_per_s": ("{n} passages/s", "{n} 段落/秒"),
    "bytes_per_s": ("{size}/s", "{size}/秒"),
    "left": ("about {time} left", "约剩 {time}"),
    # Watched folders
    "no_folders": (
        "No folder is watched yet. Name one below: Quire reads what is in it now and follows "
        "every change.",
        "还没有监视任何文件夹。在下方填写一个：Quire 会读取其中现有的文件，并跟随之后的每次变化。",
    ),
    "no_folders_bare": ("No folder is watched.", "没有监视任何文件夹。"),
    "folder_starting": ("Starting", "正在启动"),
    "folder_watching": ("Watching", "监视中"),
    "folder_polling": ("Polling", "定时查看"),
    "folder_needs_confirmation": ("Needs your word", "需要确认"),
    "folder_missing": ("Not there", "不存在"),
    "folder_unreadable": ("Not readable", "无法读取"),
    "folder_stopped": ("Stopped", "已停止"),
    "folder_missing_explained": (
        "The folder is not there. Its documents stay as they are; mount it again, or stop watching "
        "it.",
        "文件夹不存在。其文档保持原样；请重新挂载，或停止监视。",
    ),
    "folder_unreadable_explained": (
        "Quire may not look into the folder. Its documents stay as they are; give it the right to "
        "read.",
        "Quire 无权查看该文件夹。其文档保持原样；请授予读取权限。",
    ),
    "folder_stopped_explained": (
        "It is not followed at the moment; it will be again when Quire starts next.",
        "目前未在跟随；Quire 下次启动时会继续。",
    ),
    "polling_explained": (
        "This file system does not report changes, so Quire looks through the folder regularly.",
        "此文件系统不会报告变化，因此 Quire 定时查看整个文件夹。",
    ),
    "into_collection": ("into collection {collection}", "存入文档集 {collection}"),
    "synced": ("last read {when}", "最近同步 {when}"),
    "folder_asks": (
        "Files gone from {folder}: {n}. See “Watched folders”: are they meant to be gone?",
        "{folder} 中有 {n} 个文件不见了。请在“监视的文件夹”中确认是否有意删除。",
    ),
    "held_explained": (
        "Files gone from this folder: {n}. That is much at once, so they stay searchable until you "
        "confirm. If the folder is only incomplete at the moment, do nothing.",
        "此文件夹中有 {n} 个文件不见了。一次消失较多，因此在您确认之前仍可检索。"
        "如果文件夹只是暂时不完整，则无需操作。",
    ),
    "confirm": ("They are meant to be gone …", "确为有意删除……"),
    "confirm_title": ("Take out what is gone?", "移除已消失的文件？"),
    "confirm_explained": (
        "Documents whose files are gone: {n}. Their texts and search entries are removed from "
        "Quire.",
        "有 {n} 个文档的文件已不见。其文本和检索记录将从 Quire 中移除。",
    ),
    "confirm_yes": ("Take them out", "移除"),
    "confirmed": ("They are being taken out.", "正在移除。"),
    "unwatch": ("Stop watching", "停止监视"),
    "unwatch_title": ("Stop watching this folder?", "停止监视此文件夹？"),
    "unwatch_explained": (
        "Changes in it are no longer followed. Its files are not touched.",
        "将不再跟随其中的变化。文件夹中的文件不受影响。",
    ),
    "unwatch_forget": ("Take its documents out of Quire too", "同时从 Quire 中移除其文档"),
    "unwatched": ("The folder is no longer watched.", "已停止监视该文件夹。"),
    "folders_local_only": (
        "Folders can be added only from the machine on which Quire runs.",
        "只能在运行 Quire 的机器上添加文件夹。",
    ),
    "folder_label": (
        "Folder on the machine on which Quire runs, with its whole path",
        "运行 Quire 的机器上的文件夹（完整路径）",
    ),
    "folder_placeholder": ("/home/me/papers", "例如 /home/me/papers"),
    "folder_needed": (
        "Name a folder first, with its whole path.",
        "请先填写文件夹的完整路径。",
    ),
    "watch": ("Watch this folder", "监视此文件夹"),
    "watched": ("The folder is being read.", "正在读取该文件夹。"),
    # Search index
    "index_title": ("Search index", "检索索引"),
    "index_unknown": (
        "This server does not tell how its index stands; `quire status` may say more.",
        "此服务器未提供索引状态；`quire status` 可能有更多信息。",
    ),
    "index_done": (
        "In order: nothing that was deleted is left on the disk.",
        "状态良好：已删除的内容未在磁盘上残留。",
    ),
    "index_tidying": (
        "Deleted text is being wiped from the disk. It is gone from answers already.",
        "正在从磁盘上清除已删除的文本。回答中早已不再出现。",
    ),
    "index_failed": (
        "The last tidying failed; it is tried again by itself.",
        "上次清理未成功，系统会自动重试。",
    ),
    "index_counts": (
        "since Quire started: tidied {texts}×, index rebuilt {index}×",
        "自 Quire 启动以来：清理 {texts} 次，重建索引 {index} 次",
    ),
    "compact": ("Tidy now", "立即清理"),
    "compact_explained": (
        "Wipes deleted text from the disk now; otherwise that happens by itself.",
        "立即从磁盘清除已删除的文本；否则会自动进行。",
    ),
    "compact_begun": ("Tidying has begun.", "已开始清理。"),
    "rebuild": ("Rebuild", "重建"),
    "rebuild_explained": (
        "Makes the index anew from the stored texts and vectors. Search goes on meanwhile.",
        "根据已保存的文本和向量重新建立索引，期间检索照常。",
    ),
    "rebuild_begun": ("The index is being rebuilt.", "正在重建索引。"),
    "migrations_title": ("Embedding model", "嵌入模型"),
    "no_migrations": (
        "No change of model is under way. To change it: `quire migrate --to MODEL`",
        "当前没有更换模型。如需更换：`quire migrate --to MODEL`",
    ),
    "migration_running": ("{done} of {n} documents", "{done}/{n} 个文档"),
    "migration_waiting": (
        "{done} of {n} documents · waiting until nothing else is to do",
        "{done}/{n} 个文档 · 等待空闲",
    ),
    "migration_answers": (
        "Questions are answered all the while; the switch happens by itself at the end.",
        "期间可照常提问；完成后会自动切换。",
    ),
    "migration_done": ("The new model is in use.", "已使用新模型。"),
    "migration_failed": (
        "The change did not work; the old model goes on answering.",
        "更换未成功；仍由旧模型回答。",
    ),
    "revert": ("Go back", "还原"),
    "revert_title": ("Go back to the model before?", "还原到之前的模型？"),
    "revert_explained": (
        "The collection {collection} is searched with {model} again. Nothing is embedded anew for "
        "what was there before.",
        "文档集 {collection} 将重新使用 {model} 检索。此前已有的内容无需重新计算。",
    ),
    "reverted": ("The model before is in use again.", "已还原到之前的模型。"),
    **ASK,
    **DOCUMENTS,
    **EXAM,
    **MODELS,
    **STATUS,
}
