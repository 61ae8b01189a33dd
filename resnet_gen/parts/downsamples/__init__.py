"""Downsampling: how a stage makes the map smaller."""
