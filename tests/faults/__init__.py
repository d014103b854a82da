"""What goes wrong on purpose, and the checker that says whether anything else did."""
