"""What must be true of every database of the product, whatever happened to it; `checker.check` finds what is not."""
