"""Source code and texts out of a specification: one small file a target, one folder of templates each."""
