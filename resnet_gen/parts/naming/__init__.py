"""Naming schemes: how layers and parameters are called."""
