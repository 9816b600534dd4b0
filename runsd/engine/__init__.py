"""The Docker Engine behind a small port."""
