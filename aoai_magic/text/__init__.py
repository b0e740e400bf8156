"""Plain text: cleaning, display width, file names."""
