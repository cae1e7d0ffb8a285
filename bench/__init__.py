"""Side-by-side measurements: `make bench` prints one table of ratios (docs/performance.md)."""
