"""What the admin routes take and show."""
