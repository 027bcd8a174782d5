"""Measurements: each module prints one table and says on which machine it was run."""
