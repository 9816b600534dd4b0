"""The loops: scheduler, one supervisor per attempt, reconciler, Engine monitor, usage meter."""
