"""The explorer: a stored result as a page to point a cursor at, served to a browser or kept as one file."""
