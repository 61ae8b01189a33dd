"""What README and docs say, compared with what the tool does."""
