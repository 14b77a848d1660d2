"""Both APIs, simulated, with faults. Imports nothing of the rest of the package."""
