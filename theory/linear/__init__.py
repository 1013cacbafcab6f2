"""Deep linear networks, products of full matrices."""
