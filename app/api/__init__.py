"""The knowledge base over HTTP: one router per noun."""
