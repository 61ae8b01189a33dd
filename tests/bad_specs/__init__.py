"""Specs with one mistake each, beside the whole message that each must get."""
