"""What we read and write on both sides: lenient on reading, strict on writing."""
