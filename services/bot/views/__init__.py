"""What the bot shows, as pure functions of what it knows: text and buttons, no network, no database."""
