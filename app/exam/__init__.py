"""An exam of the user's own documents: made of them, taken by the pipeline, kept on disk."""
