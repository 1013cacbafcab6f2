"""What is told of a reproduction: tables in words, a picture for each claim, and one page of all."""
