"""What the canteen decides: pure functions on plain values, no database, no clock."""
