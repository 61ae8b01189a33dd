"""Anti-aliasing: what smooths a map before it is made smaller."""
