"""Width rules: how many filters each stage has."""
