"""What the server tells by a code, in Chinese; its own words are the English ones; pure."""

from __future__ import annotations

from collections.abc import Mapping

# Code → what was found, what to do about it.
TOLD: Mapping[str, tuple[str, str]] = {
    # Notices
    "starter_embedding": (
        "正在使用入门模型 {model} 检索：它只懂英文，且只读短文本；其他语言仅按字词查找。"
        "更好的做法：先运行 `quire pull {better}`，再运行 `quire migrate --to {better}`。",
        "",
    ),
    "starter_chat": (
        "正在使用入门模型 {model} 回答：它很小，只会写英文，常常答非所问；请以所引原文为准。"
        "更好的做法：运行 `quire pull {better}`，然后重新启动。",
        "",
    ),
    "model_moves": (
        "文档库原用 {before} 建立索引，但该模型未安装；现改用 {after}，"
        "完成之前许多内容仅按字词查找。如需保留 {before}："
        "先运行 `quire pull {before}`，再运行 `quire migrate --to {before}`。",
        "",
    ),
    "open_server": (
        "{where} 已设 QUIRE_AUTH=off：任何能访问此地址的人都可以阅读、提问、更改和删除全部内容",
        "",
    ),
    "audit_not_written": ("无法写入审计日志：{why}；请求仍会照常处理", ""),
    # The doctor, of the machine
    "look_failed": ("检查“{name}”时出错：{why}", ""),
    "python": ("Python {version}", "请安装 Python 3.11 或更新版本，再运行 `make setup`"),
    "disk": (
        "{folder} 所在磁盘剩余 {free} GiB",
        "请释放一些空间，或将 QUIRE_HOME 设到更大的磁盘",
    ),
    "machine": ("内存 {memory} GiB，{cores} 个核心", "只能运行最小的模型；请增加内存"),
    "machine_gpu": (
        "内存 {memory} GiB，{cores} 个核心，显存 {gpu} GiB",
        "只能运行最小的模型；请增加内存",
    ),
    "suits": ("适合本机的对话模型：{model}", ""),
    "few_files": (
        "同时只能打开 {n} 个文件：并发请求较多时会被拒绝",
        "启动前运行 `ulimit -n 4096`；使用 systemd 时设置 LimitNOFILE=4096",
    ),
    "all_read": ("本机所有用户都能读取 {folder} 中的内容", "运行 `chmod 700 {folder}`"),
    "all_change": ("本机所有用户都能更改 {folder} 中的内容", "运行 `chmod 700 {folder}`"),
    "setting_mistyped": ("没有名为 {name} 的设置", "是否想写 {near}？"),
    "setting_unknown": ("没有名为 {name} 的设置", "请将其删除；README 中列有全部设置"),
    "keys_asked": ("访问 {where} 需要密钥", ""),
    "only_here": ("{where} 仅供本机访问，不需要密钥", ""),
    "open_to_all": (
        "任何能访问 {where} 的人都可以阅读、更改和删除全部内容",
        "取消 QUIRE_AUTH 设置，并用 `quire keys add NAME --scope admin` 生成密钥，"
        "或用 QUIRE_ADMIN_KEY_FILE 指定存有密钥的文件",
    ),
    "has_tesseract": ("已安装 tesseract：可以识别扫描件和图片（OCR）", ""),
    "no_tesseract": (
        "未安装 tesseract：无法识别扫描件和图片",
        "Debian：`apt install tesseract-ocr`；macOS：`brew install tesseract`",
    ),
    "has_soffice": ("已安装 soffice：可以读取旧版 Office 文件（.doc、.xls、.ppt）", ""),
    "no_soffice": (
        "未安装 soffice：无法读取旧版 Office 文件（.doc、.xls、.ppt）",
        "Debian：`apt install libreoffice-core`；macOS：`brew install --cask libreoffice`",
    ),
    "use": ("数据目录占用 {total}：{parts}", ""),
    # The doctor, of the engine and its models
    "native_broken": (
        "无法加载推理引擎的本机组件：{why}",
        "请再次运行 `make setup`，它会为本机编译 llama.cpp",
    ),
    "build": ("llama-cpp-python {version}；{info}", ""),
    "computes_on": ("推理引擎使用 {device} 计算", ""),
    "gpu_unseen": (
        "编译版本支持 {names}，但未发现相应设备",
        "请检查驱动程序和 CUDA_VISIBLE_DEVICES",
    ),
    "gpu_unused": (
        "本机有 GPU，但当前编译的 llama.cpp 不支持（{name}）",
        "请先安装 {needs}，然后运行 `{command}`",
    ),
    "processor_unknown": ("无法得知处理器的指令集", ""),
    "processor_used": ("编译版本已用上处理器的指令集：{names}", ""),
    "processor_unused": (
        "处理器支持 {names}，但当前编译版本未使用，速度低于应有水平",
        "运行 `{command}`",
    ),
    "models_embedding": ("嵌入模型：{names}", ""),
    "models_completion": ("对话模型：{names}", ""),
    "no_embedding": ("未安装嵌入模型", "运行 `quire prepare`"),
    "no_completion": ("未安装对话模型", "运行 `quire prepare`"),
    "model_incomplete": ("模型 {name} 不完整", "运行 `quire pull {name}`"),
    "model_missing": ("设置中的模型 {name} 未安装", "运行 `quire pull {name}`"),
    "model_crashes": (
        "试运行时，模型 {name} 使 llama.cpp 崩溃或无响应",
        "请重新获取或创建；如需再试，请先停止服务并删除 {file}",
    ),
    "port_free": ("{url} 尚无程序使用，可以启动服务", ""),
    "port_ours": ("服务运行于 {url}", ""),
    "port_taken": (
        "{who} 正在使用 {url}",
        "请停止它，或在 `quire up` 之前将 QUIRE_PORT 设为其他端口",
    ),
    # The doctor, of the library
    "no_library": ("{folder} 中还没有文档库；运行 `quire up` 即可建立", ""),
    "library_opens": ("文档库可以打开；索引所用模型：{model}", ""),
    "counts": ("{documents} 个文档，{passages} 个段落", ""),
    "migration_failed": (
        "文档集“{collection}”未能从 {before} 换到 {after}：{why}",
        "运行 `quire migrate --to {after} --collection {collection}`",
    ),
    "compaction_failed": ("已删除的内容仍在磁盘上：{why}", "运行 `quire index compact`"),
    "index_behind": ("向量索引缺少目录中已有的内容", "运行 `quire index rebuild`"),
    "index_orphans": (
        "自启动以来，向量索引 {n} 次指向目录中没有的段落",
        "运行 `quire index rebuild`",
    ),
    "index_whole": ("向量索引与目录一致", ""),
    "sound": ("{name} 完好", ""),
    "damaged": (
        "{name} 已损坏：{why}",
        "请停止服务，并恢复最新的备份：`quire restore FILE --force`",
    ),
    "files_failed": (
        "{n} 个文件未能读入",
        "`quire jobs` 列出哪些，`quire job ID` 说明原因；之后可重试",
    ),
    "clock_wrong": (
        "有文档的添加时间在将来（{when}）：系统时间有误或曾经有误",
        "校准时间：`timedatectl set-ntp true`",
    ),
    "no_backup": (
        "此文档库从未在本机备份",
        "运行 `quire backup FILE`；可与服务同时进行，例如每晚一次",
    ),
    "backup": (
        "最近一次备份在 {days} 天前（{target}）",
        "运行 `quire backup FILE`；可与服务同时进行，例如每晚一次",
    ),
    "bound_missing": ("文档所用的嵌入模型有问题：{what}", "运行 {commands}"),
    "restore_cut_off": ("恢复曾被中断；服务下次启动时会继续", "运行 `quire up`"),
}
# Of the data directory, as `use` names them.
PARTS: Mapping[str, str] = {
    "catalogue": "目录",
    "vector index": "向量索引",
    "conversations": "对话",
    "exams": "试题",
    "originals": "上传副本",
    "inbox": "收件文件夹",
    "audit log": "审计日志",
    "models": "模型",
}
