"""Pictures and sounds in, computed positions of a prompt out; owns one libmtmd context."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

from llama_cpp import mtmd_cpp as native

from engine.errors import LoadError, RequestError, RuntimeFailedError
from engine.runtime.compute_thread import COMPUTE
from engine.runtime.llama import Context, Model
from engine.runtime.log_native import LOG
from engine.runtime.media import SOUNDS, Media, Prompt, kind_of, placeholder, split_markers
from engine.runtime.pictures import decode_picture
from engine.runtime.sounds import check_sound

_MIN_SOUND_BYTES = 4 * 160  # libmtmd ends the process on a sound of one sample


class _Chunk:
    """A computed part of a prompt, freed when nobody refers to it any more."""

    def __init__(self, borrowed: object) -> None:
        self.pointer = native.mtmd_input_chunk_copy(borrowed)
        weakref.finalize(self, native.mtmd_input_chunk_free, self.pointer)


class Projector:
    """What turns pictures and sounds into what a text model reads; used by one thread at a time."""

    def __init__(self, path: Path, model: Model, *, n_threads: int, is_on_gpu: bool) -> None:
        """Load a projector for a model.

        Raises:
            LoadError: libmtmd refuses the file; its own words are quoted.
        """
        LOG.install_media()
        params = native.mtmd_context_params_default()
        params.use_gpu = is_on_gpu
        params.print_timings = False
        params.n_threads = n_threads
        params.warmup = False
        LOG.tail()
        self._model = model
        self._context = native.mtmd_init_from_file(str(path).encode(), model.pointer, params)
        if not self._context:
            raise LoadError(
                f"{path.name}: libmtmd cannot load the projector: "
                f"{LOG.tail() or 'no reason given'}; take the one that belongs to this model"
            )
        self._turn = threading.Lock()
        self.can_see: bool = native.mtmd_support_vision(self._context)
        self.can_hear: bool = native.mtmd_support_audio(self._context)
        self.is_whole_step: bool = native.mtmd_decode_use_non_causal(self._context, None)

    def prompt(self, text: str, files: Sequence[bytes], *, add_special: bool) -> Prompt:
        """Turn a text with markers `[img-N]`, and the files that they name, into a prompt.

        Raises:
            RequestError: a file is damaged, too large, or of a kind that the model does not take.
        """
        parts = split_markers(text, len(files))
        if isinstance(parts[-1], int):
            parts.append("\n")  # only what follows text has scores to draw from
        with ExitStack() as opened, self._turn:
            chunks = native.mtmd_input_chunks_init()
            opened.callback(native.mtmd_input_chunks_free, chunks)
            native_parts = [self._part(one, files, opened) for one in parts]
            pointers = [ctypes.pointer(one) for one in native_parts]
            row = (ctypes.POINTER(native.mtmd_input_part) * len(pointers))(*pointers)
            LOG.tail()
            status = native.mtmd_tokenize_from_parts(
                self._context, chunks, row, len(pointers), add_special
            )
            if status != 0:
                raise RequestError(
                    f"the images cannot be prepared for this model: {LOG.tail() or status}"
                )
            return _read_chunks(chunks)

    def look(self, context: Context, media: Media, sequence: int, position: int) -> None:
        """Compute one picture into a sequence, from a position on.

        Raises:
            RuntimeFailedError: it cannot be computed; the sequence is in no known state.
        """
        assert isinstance(chunk := media.chunk, _Chunk)
        after = ctypes.c_int32(position)
        with self._turn:
            LOG.tail()
            status = COMPUTE.run(
                lambda: native.mtmd_helper_eval_chunk_single(
                    self._context,
                    context.pointer,
                    chunk.pointer,
                    position,
                    sequence,
                    context.n_batch,
                    False,
                    ctypes.byref(after),
                )
            )
        if status != 0 or after.value != position + media.n_positions:
            raise RuntimeFailedError(
                f"an image could not be computed (status {status}): "
                f"{LOG.tail() or 'no reason given'}"
            )

    def encode(self, media: Media) -> None:
        """Compute what a text model would read of one picture, without a text model reading it.

        Raises:
            RuntimeFailedError: it cannot be computed.
        """
        assert isinstance(media.chunk, _Chunk)
        with self._turn:
            LOG.tail()
            status = native.mtmd_encode_chunk(self._context, media.chunk.pointer)
        if status != 0:
            raise RuntimeFailedError(
                f"an image could not be encoded (status {status}): "
                f"{LOG.tail() or 'no reason given'}"
            )

    def close(self) -> None:
        """Free the projector."""
        if self._context:
            native.mtmd_free(self._context)
            self._context = None

    def _part(
        self, part: str | int, files: Sequence[bytes], opened: ExitStack
    ) -> native.mtmd_input_part:
        if isinstance(part, int):
            bitmap = self._bitmap(files[part], part + 1)
            opened.callback(native.mtmd_bitmap_free, bitmap)
            return native.mtmd_input_part(text=None, bitmap=bitmap)
        data = part.encode("utf-8", "replace")
        text = native.mtmd_input_text(
            text=data, text_len=len(data), add_special=False, parse_special=True
        )
        return native.mtmd_input_part(text=ctypes.pointer(text), bitmap=None)

    def _bitmap(self, content: bytes, number: int) -> object:
        kind = kind_of(content)
        if not kind:
            raise RequestError(
                f"image {number} is of no known kind; send PNG, JPEG, WebP, GIF or BMP"
                + (", or WAV, MP3 or FLAC for sound" if self.can_hear else "")
            )
        is_sound = kind in SOUNDS
        if not (self.can_hear if is_sound else self.can_see):
            wanted = "sound" if is_sound else "images"
            raise RequestError(f"image {number}: this model does not take {wanted} ({kind})")
        label = f"image {number}"
        bitmap = self._sound(content, kind, label) if is_sound else _picture(content, label)
        native.mtmd_bitmap_set_id(bitmap, sha256(content).hexdigest().encode())
        return bitmap

    def _sound(self, content: bytes, kind: str, label: str) -> object:
        check_sound(content, kind, label)
        data = (ctypes.c_uint8 * len(content)).from_buffer_copy(content)
        bitmap = native.mtmd_helper_bitmap_init_from_buf(self._context, data, len(content), False)
        if bitmap and native.mtmd_bitmap_get_n_bytes(bitmap) < _MIN_SOUND_BYTES:
            native.mtmd_bitmap_free(bitmap)
            raise RequestError(f"{label}: the sound is too short")
        if not bitmap:
            raise RequestError(f"{label}: the {kind.upper()} file is damaged")
        return bitmap


def _picture(content: bytes, label: str) -> object:
    pixels = decode_picture(content, label)
    data = (ctypes.c_uint8 * len(pixels.data)).from_buffer_copy(pixels.data)
    return native.mtmd_bitmap_init(pixels.width, pixels.height, data)


def _read_chunks(chunks: object) -> Prompt:
    tokens: list[int] = []
    media: list[Media] = []
    n_parts: Counter[bytes] = Counter()  # one picture may become several chunks
    for at in range(native.mtmd_input_chunks_size(chunks)):
        chunk = native.mtmd_input_chunks_get(chunks, at)
        if native.mtmd_input_chunk_get_type(chunk) == native.MTMD_INPUT_CHUNK_TYPE_TEXT:
            count = ctypes.c_size_t(0)
            ids = native.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
            tokens += ids[: count.value]
            continue
        content = native.mtmd_input_chunk_get_id(chunk) or b""
        n_positions = native.mtmd_input_chunk_get_n_pos(chunk)
        n_cells = native.mtmd_input_chunk_get_n_tokens(chunk)
        media.append(Media(len(tokens), n_positions, n_cells, _Chunk(chunk)))
        tokens += [placeholder(content, n_parts[content])] * n_positions
        n_parts[content] += 1
    return Prompt(tuple(tokens), tuple(media))
