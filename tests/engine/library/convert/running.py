"""A GGUF file in, what llama.cpp computes with it out; for comparing, so the cache is float32."""

from __future__ import annotations

import ctypes

import llama_cpp as native
import numpy as np

from engine.runtime.llama import Model
from engine.types import Options

N_CTX = 256
_F32 = 0  # ggml_type
_RANK = 4  # llama_pooling_type


class Run:
    """A model loaded for a test."""

    def __init__(self, path, *, is_embedding=False, adapter=None):
        self.model = Model(path, Options(num_gpu=0))
        params = native.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = N_CTX
        params.n_threads = params.n_threads_batch = 2
        params.embeddings = is_embedding
        params.type_k = params.type_v = _F32
        params.flash_attn_type = 0
        self._context = native.llama_init_from_model(self.model.pointer, params)
        assert self._context
        self.pooling = native.llama_pooling_type(self._context)
        self._batch = native.llama_batch_init(N_CTX, 0, 1)
        if adapter is not None:
            self.add_adapter(adapter)

    def add_adapter(self, path):
        lora = native.llama_adapter_lora_init(self.model.pointer, str(path).encode())
        assert lora, "llama.cpp refuses the adapter"
        adapters = (native.llama_adapter_lora_p_ctypes * 1)(lora)
        scales = (ctypes.c_float * 1)(1.0)
        assert native.llama_set_adapters_lora(self._context, adapters, 1, scales) == 0

    def tokens(self, text, *, add_special=False, parse_special=False):
        return self.model.tokenize(text, add_special=add_special, parse_special=parse_special)

    def greedy(self, prompt, n_tokens):
        """Continue a prompt with the likeliest tokens."""
        self._forget()
        found, fed, position = [], list(prompt), 0
        while len(found) < n_tokens:
            self._feed(fed, position)
            position += len(fed)
            fed = [int(self._logits(len(fed) - 1).argmax())]
            found += fed
        return found

    def logits(self, tokens):
        """Score what follows each token: (n_tokens, n_vocab)."""
        self._forget()
        self._feed(tokens, 0)
        return np.stack([self._logits(at).copy() for at in range(len(tokens))])

    def vector(self, tokens):
        """Embed a text, to length 1."""
        found = self._pooled(tokens, self.model.n_dimensions)
        return found / np.linalg.norm(found)

    def score(self, tokens):
        """Rank a pair."""
        assert self.pooling == _RANK
        return float(self._pooled(tokens, 1)[0])

    def _pooled(self, tokens, size):
        self._forget()
        self._feed(tokens, 0)
        pointer = native.llama_get_embeddings_seq(self._context, 0)
        return np.ctypeslib.as_array(pointer, shape=(size,)).copy()

    def _logits(self, at):
        pointer = native.llama_get_logits_ith(self._context, at)
        return np.ctypeslib.as_array(pointer, shape=(self.model.n_vocab,))

    def _forget(self):
        memory = native.llama_get_memory(self._context)
        if memory:
            native.llama_memory_clear(memory, True)

    def _feed(self, tokens, position):
        for at, token in enumerate(tokens):
            self._batch.token[at] = token
            self._batch.pos[at] = position + at
            self._batch.n_seq_id[at] = 1
            self._batch.seq_id[at][0] = 0
            self._batch.logits[at] = True
        self._batch.n_tokens = len(tokens)
        assert native.llama_decode(self._context, self._batch) == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        native.llama_batch_free(self._batch)
        native.llama_free(self._context)
        self.model.close()
