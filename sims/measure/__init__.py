"""What is read from a run."""
