"""The pages: widgets only."""
