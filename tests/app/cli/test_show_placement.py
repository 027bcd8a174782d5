"""`quire show --placement` explains itself without a server."""


def test_where_a_model_would_go_is_explained_with_the_numbers(quire, starter_models, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(starter_models))
    monkeypatch.setenv("OLLAMA_KV_CACHE_TYPE", "q8_0")

    said = quire("show", "--placement", "smollm2:135m").stdout

    assert "The model is a llama of 30 layers and 92 MiB of weights." in said
    assert "in q8_0." in said
    assert "Main memory holds" in said


def test_what_does_not_fit_is_refused_in_a_sentence(quire, starter_models, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(starter_models))
    monkeypatch.setenv("OLLAMA_NUM_PARALLEL", str(10**9))
    monkeypatch.setenv("OLLAMA_CONTEXT_LENGTH", "8192")

    said = quire("show", "--placement", "smollm2:135m").stdout

    assert "requests are answered at once: the cache for more does not fit" in said
