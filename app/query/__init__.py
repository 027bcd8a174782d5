"""A question becomes an answer whose sentences cite spans, one beat per file."""
