"""The loops: scheduler, one supervisor per attempt, reconciler, janitor."""
