"""Photo in, what is on it out."""
