"""The web UI: pages rendered from what the API's handlers answer, for a browser that has logged in."""
