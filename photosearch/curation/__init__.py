"""From a raw snapshot to clean tables: what stays, and why the rest does not."""
