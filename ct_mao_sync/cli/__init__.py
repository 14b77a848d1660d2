"""The command line: parsing, rendering, exit codes. It decides nothing."""
