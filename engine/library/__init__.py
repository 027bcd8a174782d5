"""What lies on disk: names, manifests, blobs, GGUF headers, templates."""
