"""The commands runsd and runs: clients of the socket, never of the daemon's insides."""
