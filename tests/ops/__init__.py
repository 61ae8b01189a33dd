"""Tests of the room `ops`."""
