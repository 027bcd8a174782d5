"""Who did what: a log that only grows, and shows when somebody changed it."""
