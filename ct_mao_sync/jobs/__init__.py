"""WHAT is synchronised: one file for each job."""
