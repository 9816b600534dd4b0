"""The Python SDK of runsd: ``RunsClient`` and ``AsyncRunsClient`` over one set of wire models."""
