"""What every HTTP module shares: who is asking, problems as answers, capped bodies, list parameters."""
