"""Resources of the staff API about services."""
