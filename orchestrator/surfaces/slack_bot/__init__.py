"""The Slack bot: requests, cards and answers where people talk. Nothing is decided here; every word goes through the front desk."""
