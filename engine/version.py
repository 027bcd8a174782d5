"""The version of Ollama's protocol that the engine speaks; a constant."""

OLLAMA_VERSION = "0.32.15"  # clients take its parts for integers
