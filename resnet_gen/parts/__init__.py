"""Parts: what a specification can choose, one file a part (see `base`)."""
