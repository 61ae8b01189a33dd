"""What each reader may take of memory and time, whatever it is given."""
