"""WidthStudio: wide networks beside their limits."""
