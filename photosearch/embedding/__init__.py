"""Photo or text in, unit vector out."""
