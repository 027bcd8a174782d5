"""Bytes of a file in, text with structure out; one loader per file."""
