"""SQLite: one writer, short transactions, the state machine repeated in the schema."""
