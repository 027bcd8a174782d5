"""The sentences of the documents page and of passages, in English and Chinese; pure."""

from __future__ import annotations

from collections.abc import Mapping

DOCUMENTS: Mapping[str, tuple[str, str]] = {
    # A passage in its document
    "view_page": ("Page", "页面"),
    "view_text": ("Text", "文本"),
    "view_how": ("Shown as", "显示方式"),
    "page_of": ("Page {page} of {n}", "第 {page} 页，共 {n} 页"),
    "page_alone": ("Page {page}", "第 {page} 页"),
    "page_before": ("Previous", "上一页"),
    "page_after": ("Next", "下一页"),
    "page_marked": (
        "Marked on the page: the words that are cited.",
        "页面上的标记为所引用的文字。",
    ),
    "page_partly": (
        "Marked as far as the words could be found on the page; the text has all of them.",
        "页面上仅标记了能够定位的部分；完整内容请见文本。",
    ),
    "page_scan": (
        "This page was read from its picture, so the words cannot be marked on it. They are "
        "marked in the text.",
        "此页由图像识别而来，无法在页面上标记；文本中已作标记。",
    ),
    "page_unmarked": (
        "The words could not be found on the page. They are marked in the text.",
        "未能在页面上定位这些文字；文本中已作标记。",
    ),
    "page_other": ("The words stand on page {page}.", "这些文字位于第 {page} 页。"),
    "page_none": ("No picture of this page: {message}", "无法显示此页图像：{message}"),
    "passage_marked": ("Shaded: the passage in its surroundings.", "浅色部分为该段落及其上下文。"),
    "passage_gone": (
        "The document has been deleted. This is what was kept of it.",
        "该文档已被删除。以下是保留下来的引文。",
    ),
    "passage_nothing": ("Nothing was kept of its words.", "没有保留其文字。"),
    # The list
    "tab_collections": ("Collections", "文档集"),
    "tab_figures": ("Figures", "统计"),
    "more_places": ("and {n} more places", "另有 {n} 处"),
    "sort": ("Order", "排序"),
    "sort_newest": ("Newest first", "最新在前"),
    "sort_oldest": ("Oldest first", "最早在前"),
    "sort_title": ("By title", "按标题"),
    "sort_largest": ("Largest first", "文件最大在前"),
    "sort_smallest": ("Smallest first", "文件最小在前"),
    "sort_longest": ("Longest text first", "文本最长在前"),
    "filters": ("Filter", "筛选"),
    "filters_on": ("Filter ({n})", "筛选（{n}）"),
    "filters_clear": ("Clear the filters", "清除筛选"),
    "filter_state": ("State", "状态"),
    "filter_folder": ("Folder", "文件夹"),
    "filter_since": ("Added from", "添加日期从"),
    "filter_until": ("Added until", "添加日期到"),
    "any": ("Any", "不限"),
    "state_warnings": ("With a warning", "有提示"),
    "state_watched": ("From a watched folder", "来自监视的文件夹"),
    "state_uploaded": ("Uploaded", "上传的"),
    "no_match_filters": (
        "No document matches these filters. Clear them to see all.",
        "没有符合筛选条件的文档。清除筛选即可查看全部。",
    ),
    "pick": ("Select document {n}", "选择第 {n} 个文档"),
    "pick_all_here": ("Select this page", "选择本页"),
    "pick_none_here": ("Unselect this page", "取消选择本页"),
    "pick_clear": ("Unselect all", "全部取消选择"),
    "picked": ("{n} selected", "已选择 {n} 个"),
    "delete_picked": ("Delete selected …", "删除所选……"),
    # Preview
    "about_document": ("About this document", "关于此文档"),
    "preview_part": (
        "The text is long: it is shown in {n} parts.",
        "文本较长，分 {n} 部分显示。",
    ),
    "pick_passage": ("Look at one passage ({first}–{last})", "查看某个段落（{first}–{last}）"),
    "pick_placeholder": ("its number", "段落编号"),
    "n_tokens": ("{n} tokens", "{n} 个词元"),
    "fact_place": ("Place", "位置"),
    "fact_characters": ("characters {start} to {end}", "第 {start} 至 {end} 个字符"),
    "fact_page": ("Page", "页"),
    "fact_headings": ("Under", "所在标题"),
    "fact_tokens": ("Tokens", "词元数"),
    "fact_language": ("Language", "语言"),
    "fact_english": ("English", "英文"),
    "fact_chinese": ("Chinese", "中文"),
    "fact_model": ("Embedded with", "嵌入模型"),
    "fact_type": ("Type", "类型"),
    "fact_added": ("Added", "添加时间"),
    "fact_paths": ("Lies at", "路径"),
    # Deletion
    "delete_many_title": ("Delete these documents?", "删除这些文档？"),
    "delete_means": (
        "Their {n} passages leave search and answers at once, and the disk soon after.",
        "其 {n} 个段落将立即不再用于检索和回答，并很快从磁盘清除。",
    ),
    "delete_original_stays": (
        "Files of your own, in your own folders, are not touched.",
        "您自己文件夹中的文件不受影响。",
    ),
    "delete_copy_goes": (
        "The copy of the upload that Quire kept to show its pages goes too.",
        "Quire 为显示页面而保留的上传副本也会删除。",
    ),
    "delete_quoted": (
        "Conversations that keep quotes of it: {n}. The quotes stay until you delete the "
        "conversations: {titles}",
        "有 {n} 个对话保留了其引文；删除这些对话之前，引文仍会保留：{titles}",
    ),
    "delete_watched": (
        "This file lies in a watched folder. It comes back as soon as the folder is read again, "
        "unless you remove it from there:",
        "该文件位于被监视的文件夹中。除非从文件夹中移除，否则下次读取时会重新加入：",
    ),
    "delete_broke_off": ("Deleted {done} of {n}, then:", "已删除 {n} 个中的 {done} 个，随后出错："),
    "deleted_many": ("Deleted: {n} documents", "已删除 {n} 个文档"),
    "and_more": ("and {n} more", "另有 {n} 个"),
    # Collections
    "collection_label": ("A new collection", "新建文档集"),
    "collection_placeholder": ("its name, e.g. contracts", "名称，例如 合同"),
    "collection_add": ("Create it", "创建"),
    "collection_needed": ("Give it a name first.", "请先填写名称。"),
    "collection_made": ("Created: {name}", "已创建：{name}"),
    "reindex": ("Index anew", "重新索引"),
    "reindex_explained": (
        "Cuts and embeds the stored texts again, e.g. after other settings.",
        "重新切分并嵌入已保存的文本，例如在更改设置之后。",
    ),
    "reindex_title": ("Index this collection anew?", "重新索引此文档集？"),
    "reindex_means": (
        "The stored texts of {n} documents are cut and embedded again. Questions are answered all "
        "the while; on a slow machine it takes long.",
        "将重新切分并嵌入 {n} 个文档的文本。期间可照常提问；在较慢的机器上需要较长时间。",
    ),
    "reindex_begun": ("Indexing has begun.", "已开始重新索引。"),
    "drop_title": ("Delete this collection?", "删除此文档集？"),
    "drop_means": (
        "Its {documents} documents with {chunks} passages are removed from Quire, and its folders "
        "are no longer watched. Your own files are not touched; quotes in conversations stay.",
        "其 {documents} 个文档（{chunks} 个段落）将从 Quire 中删除，相关文件夹也不再监视。"
        "您自己的文件不受影响；对话中的引文会保留。",
    ),
    "drop_type": ("Type its name to confirm", "输入名称以确认"),
    "drop_typed_wrong": ("That is not its name.", "名称不一致。"),
    "dropped": ("Deleted: {name}", "已删除：{name}"),
    # Figures
    "every_collection": ("All collections", "全部文档集"),
    "no_figures": (
        "There is nothing to count yet. Add documents first.",
        "还没有可统计的内容。请先添加文档。",
    ),
    "figure_documents": ("Documents", "文档"),
    "figure_passages": ("Passages", "段落"),
    "figure_size": ("Size of the files", "文件大小"),
    "figure_characters": ("Characters", "字符数"),
    "figure_originals": ("Copies of uploads", "上传副本"),
    "others": ("others", "其他"),
    "chart_types": ("Documents by type", "按类型统计文档"),
    "chart_sizes": ("Size by type", "按类型统计大小"),
    "chart_collections": ("Documents by collection", "按文档集统计"),
    "chart_folders": ("Documents by folder", "按文件夹统计"),
    "chart_growth": ("Documents over time", "文档数量变化"),
    "chart_passages": ("Documents by number of passages", "按段落数统计文档"),
}
