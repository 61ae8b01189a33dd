"""Stems: what stands before the first stage."""
