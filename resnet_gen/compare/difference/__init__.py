"""What changed between two networks: what each side is, which layers are each other's, and how those differ."""
