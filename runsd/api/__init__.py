"""HTTP on the socket: decode, one call, encode."""
