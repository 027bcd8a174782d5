"""A library in, one archive out, and back again."""
