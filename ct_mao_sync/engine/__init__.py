"""HOW any job runs. Knows values and the job protocol, nothing of the two systems."""
