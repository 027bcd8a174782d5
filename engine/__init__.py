"""An Ollama-compatible inference engine: knows models and tokens, never documents."""
