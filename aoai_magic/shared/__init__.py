"""What both sides need to reach OpenAI and Azure."""
