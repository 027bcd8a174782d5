"""Conversations kept on disk: named, searchable, exportable, their citations bound to the text."""
