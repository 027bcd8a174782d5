"""What a model writes in, its thought, its words and its calls out."""
