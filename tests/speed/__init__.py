"""Tests of the room `speed`."""
