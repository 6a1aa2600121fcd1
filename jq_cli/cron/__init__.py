"""Cron: expressions, time zones, schedules and what stores keep of them. Pure, but for the zone files that are read."""
