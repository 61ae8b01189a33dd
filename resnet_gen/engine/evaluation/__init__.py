"""How often a model is right: labelled images, the classes that a model names for them, and figures with intervals."""
