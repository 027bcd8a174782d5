"""Documents in, searchable rows out: knows text, chunks and vectors, never models."""
