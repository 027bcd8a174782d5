"""A folder with a model's or an adapter's safetensors in, a GGUF file out; reads, writes disk."""

from engine.library.convert.adapter import convert_adapter
from engine.library.convert.model import convert
from engine.library.convert.storage import FILE_TYPES, FileType

__all__ = ["FILE_TYPES", "FileType", "convert", "convert_adapter"]
