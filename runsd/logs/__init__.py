"""Output of runs: captured into SQLite while it happens, read back exactly."""
