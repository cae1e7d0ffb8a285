"""What must stay fast, and how that stays right."""
