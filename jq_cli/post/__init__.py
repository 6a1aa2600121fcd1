"""POST requests to addresses that somebody configured: `target` is where they may go, `request` sends one, `signature` proves who
sent it."""
