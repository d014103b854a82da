"""What processes remember of failures, and tell one another: states, memories, rows. Of whom, apps say."""
