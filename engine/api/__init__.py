"""The engine over HTTP, as Ollama's and OpenAI's clients expect it."""
