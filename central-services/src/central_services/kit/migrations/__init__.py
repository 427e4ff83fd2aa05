"""What the shared tables went through."""
