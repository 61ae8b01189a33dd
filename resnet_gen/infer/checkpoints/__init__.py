"""Files of weights alone: which network has their names and shapes, and a spec's weights out of them."""
