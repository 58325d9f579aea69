"""What the page's Operate does, for admins: look, and change; every change is in the log of actions."""
