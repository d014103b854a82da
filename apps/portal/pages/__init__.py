"""The pages of students, at `/`: entered with a key of one's own, or by signing in."""
