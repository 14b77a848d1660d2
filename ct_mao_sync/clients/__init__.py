"""Talking to the two APIs: typed methods named after the endpoint, no business rules."""
