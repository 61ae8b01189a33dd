"""What README and docs say, held against what the tool does."""
