"""Keeps commercetools and Manhattan Active Omni in step."""

__version__ = "0.1.0"
