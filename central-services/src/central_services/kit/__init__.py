"""What the services share beyond the platform: it moves here with its second use."""
