"""What the union's room keeps, by subject."""
