"""What every experiment is: its settings, its preparation, its training and its result."""
