"""Pure: values of one system to values of the other. No I/O, no clock, no files."""
