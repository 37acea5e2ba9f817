"""What is sold and photographed: rows, tables, images and where they come from."""
