"""Outgoing webhooks: receivers are told of the events of runs, at least once each."""
