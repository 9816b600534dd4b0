"""runsd runs containers to completion on one host and tells the exact truth about them."""

from importlib.metadata import version

__version__ = version("runsd")
