"""What the frame of all pages says, in English and Chinese: errors, login, look; pure."""

from __future__ import annotations

from collections.abc import Mapping

FRAME: Mapping[str, tuple[str, str]] = {
    "language": ("Language", "语言"),
    "theme": ("Appearance", "外观"),
    "theme_system": ("Auto", "自动"),
    "theme_light": ("Light", "浅色"),
    "theme_dark": ("Dark", "深色"),
    "retry": ("Try again", "重试"),
    "private": (
        "Your documents and questions go to your own Quire server and nowhere else.",
        "您的文档和问题只会发送到您自己的 Quire 服务，不会发往别处。",
    ),
    # Login
    "login_title": ("Log in", "登录"),
    "login_explained": (
        "This Quire asks for a key. Whoever runs it makes one with `quire keys add`.",
        "此 Quire 需要密钥。服务管理员可用 `quire keys add` 创建密钥。",
    ),
    "login_key": ("Key", "密钥"),
    "login_enter": ("Log in", "登录"),
    "login_kept": (
        "The key is kept for this tab only; after a reload it is asked for again.",
        "密钥仅保留在此标签页中；刷新页面后需重新输入。",
    ),
    "login_empty": ("Type the key first.", "请先输入密钥。"),
    "login_wrong": (
        "This key opens nothing here: it is mistyped, was revoked, or has run out.",
        "此密钥无效：可能输入有误、已被撤销或已过期。",
    ),
    "login_expired": (
        "Your login has ended. Log in again; what you were doing stays on this page.",
        "登录已失效。请重新登录；此页面上的内容会保留。",
    ),
    "logged_in_as": ("Logged in as {name}", "已登录：{name}"),
    "logout": ("Log out", "退出登录"),
    "rights": (
        "Your key lets you: {can}. It does not let you: {cannot}.",
        "您的密钥可以：{can}；不能：{cannot}。",
    ),
    "rights_none": ("Your key opens nothing on these pages.", "您的密钥在这些页面上没有任何权限。"),
    "rights_bound": ("It is for these collections: {names}.", "仅限以下文档集：{names}。"),
    "right_read": ("search and read documents", "检索和阅读文档"),
    "right_ask": ("ask questions", "提问"),
    "right_ingest": ("add and delete documents", "添加和删除文档"),
    "right_admin": ("manage models, keys and the server", "管理模型、密钥和服务器"),
    # Errors
    "server_gone": (
        "Quire does not answer at {url}. This page goes on by itself as soon as it does; if it was "
        "ended, start it with `quire up`.",
        "无法连接到 {url} 的 Quire 服务。恢复后此页面会自动继续；"
        "如果服务已停止，请运行 `quire up`。",
    ),
    "pages_gone": (
        "Quire does not answer just now. This page goes on by itself as soon as it does.",
        "Quire 暂时没有响应。恢复后此页面会自动继续。",
    ),
    "refused": ("That did not work: {message}", "操作未成功：{message}"),
    "refused_401": (
        "This needs a login: {message}",
        "需要登录：{message}",
    ),
    "refused_403": (
        "Your key does not allow this: {message}",
        "您的密钥无权执行此操作：{message}",
    ),
    "refused_404": (
        "It is no longer there: {message}. Reload the page to see what there is.",
        "内容已不存在：{message}。请刷新页面查看现有内容。",
    ),
    "refused_408": (
        "That took too long to arrive: {message}. Check the connection, then try again.",
        "传输超时：{message}。请检查网络连接后重试。",
    ),
    "refused_413": (
        "That is too large: {message}. Split it, or raise QUIRE_MAX_FILE_MB.",
        "文件过大：{message}。请拆分文件，或调高 QUIRE_MAX_FILE_MB。",
    ),
    "refused_429": (
        "That was too much at once: {message}.",
        "请求过于频繁：{message}。",
    ),
    "refused_503": (
        "Quire is busy or still starting: {message}. Wait a moment, then try again.",
        "Quire 正忙或仍在启动：{message}。请稍候再试。",
    ),
    "refused_507": (
        "The server's disk is full: {message}. Free some space, then try again.",
        "服务器磁盘已满：{message}。请释放空间后重试。",
    ),
    "wait_for": ("Try again in {time}.", "请在 {time}后重试。"),
    "unexpected": (
        "Something went wrong in this page. Reload it; the server's log says more.",
        "页面出现问题。请刷新页面；详细信息见服务器日志。",
    ),
}
