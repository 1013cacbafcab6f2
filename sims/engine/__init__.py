"""How runs advance: one interface, a backend a folder."""
