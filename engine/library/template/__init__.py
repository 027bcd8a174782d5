"""Chat messages in, prompt text out."""
