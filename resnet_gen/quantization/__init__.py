"""Number types of a network that is built: float types, and eight bits with their Q/DQ placement and calibration.

A graph and its weights come in, with images to calibrate with; the same network in other types goes out, with what it
cost.
"""
