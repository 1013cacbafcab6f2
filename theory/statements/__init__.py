"""The catalogue of the theory: claims as data, with formulas that are derived or proved equal to what is derived."""

from .formula import Formula, Formulas
from .registry import select, statement, statements
from .statement import Kind, Statement, unproved

__all__ = ["Formula", "Formulas", "Kind", "Statement", "select", "statement", "statements", "unproved"]
