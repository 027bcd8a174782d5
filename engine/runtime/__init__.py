"""What lives in memory: loaded models, their slots, the one compute gate."""
