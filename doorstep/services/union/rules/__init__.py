"""What the union decides: pure functions on plain values."""
