"""Go templates (text/template) with Ollama's functions: what a TEMPLATE layer is written in."""
