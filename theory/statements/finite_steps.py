"""The exact endpoint of finite steps for w^2, at any learning rate (section EXA)."""
