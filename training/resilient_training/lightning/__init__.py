"""Lightning trainings that can be brought back."""
