"""What people type in, read into plain values. Decisions are the actions'."""
