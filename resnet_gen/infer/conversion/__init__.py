"""Weights from one naming scheme to another: by the path of the layer that each tensor belongs to."""
