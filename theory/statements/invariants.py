"""What gradient flow conserves, and how one finite step breaks it (section INV)."""
